package dev.attune.weights;

import java.util.Arrays;

/**
 * What a file says about one tensor.
 *
 * @param name the name under which the file stores it
 * @param dtype the element type as safetensors spells it: {@code F32}, {@code BF16}, {@code I64}, …
 * @param shape its dimensions, outermost first; empty for a scalar
 */
public record TensorInfo(String name, String dtype, long[] shape) {
  public TensorInfo {
    shape = shape.clone();
  }

  @Override
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements: the product of the shape, which the reader has checked for overflow. */
  public long elements() {
    long product = 1;
    for (long dim : shape) {
      product *= dim;
    }
    return product;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorInfo that
        && name.equals(that.name)
        && dtype.equals(that.dtype)
        && Arrays.equals(shape, that.shape);
  }

  @Override
  public int hashCode() {
    return name.hashCode() * 31 + Arrays.hashCode(shape);
  }

  @Override
  public String toString() {
    return name + " " + dtype + Arrays.toString(shape);
  }
}
