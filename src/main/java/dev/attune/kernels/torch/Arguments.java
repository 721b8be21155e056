package dev.attune.kernels.torch;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.memory.NativePointer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;

/** Argument checks: each message names the op, the argument, its value and the allowed range. */
final class Arguments {
  private Arguments() {}

  /** A number of rows or elements that may be 0. */
  static void count(String op, String name, long value) {
    if (value < 0 || value > Integer.MAX_VALUE) {
      throw outside(op, name, value, "0.." + Integer.MAX_VALUE);
    }
  }

  /** A number of elements of a flat store or of bytes, which may pass 2^31. */
  static void size(String op, String name, long value) {
    if (value < 0) {
      throw outside(op, name, value, "0 and up");
    }
  }

  /** A dimension that cannot be 0. */
  static void dimension(String op, String name, long value) {
    if (value < 1 || value > Integer.MAX_VALUE) {
      throw outside(op, name, value, "1.." + Integer.MAX_VALUE);
    }
  }

  /** A number that is at least {@code least}. */
  static void least(String op, String name, long value, long least) {
    if (value < least) {
      throw outside(op, name, value, least + " and up");
    }
  }

  /** A row stride in elements. */
  static void stride(String op, String name, long value, long least) {
    if (value < least || value > Integer.MAX_VALUE) {
      throw outside(op, name, value, least + ".." + Integer.MAX_VALUE + " (elements of a row)");
    }
  }

  /** The address of a tensor that is not optional. */
  static void present(String op, String name, long address) {
    Check.argument(address != 0, "%s: %s is null; it must be an address", op, name);
  }

  /** A type of activations. */
  static void floating(String op, String name, DType dtype) {
    Check.argument(
        dtype == DType.F32 || dtype == DType.BF16,
        "%s: %s = %s; it must be F32 or BF16",
        op,
        name,
        dtype);
  }

  /** A type of weights. */
  static void weight(String op, String name, DType dtype) {
    Check.argument(
        dtype != DType.I32, "%s: %s = %s; it must be F32, BF16, NF4 or INT8", op, name, dtype);
  }

  /** The width of a quantized weight. */
  static void blocks(String op, long C) {
    if (C < 1 || C % QuantizedLayout.BLOCK != 0) {
      throw outside(op, "C", C, "a multiple of " + QuantizedLayout.BLOCK + ", blocks of a scale");
    }
  }

  /** A real number in {@code [low, high]}; NaN is refused. */
  static void closed(String op, String name, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      throw outside(op, name, value, low + ".." + high);
    }
  }

  /** A finite real number that is not negative. */
  static void notNegative(String op, String name, double value) {
    if (!(value >= 0 && value <= Double.MAX_VALUE)) {
      throw outside(op, name, value, "finite, 0 and up");
    }
  }

  /** A finite real number above 0. */
  static void positive(String op, String name, double value) {
    if (!(value > 0 && value <= Double.MAX_VALUE)) {
      throw outside(op, name, value, "finite, above 0");
    }
  }

  /** A finite real number. */
  static void finite(String op, String name, double value) {
    if (!Double.isFinite(value)) {
      throw outside(op, name, value, "finite");
    }
  }

  /** A view of {@code count} i32 for the host. */
  static IntBuffer ints(long address, long count) {
    long sizeBytes = count * Integer.BYTES;
    Check.argument(sizeBytes <= Integer.MAX_VALUE, "too many indices for one call: %d", count);
    return new NativePointer(address, sizeBytes)
        .asByteBuffer()
        .order(ByteOrder.nativeOrder())
        .asIntBuffer();
  }

  /**
   * Checks that {@code count} indices lie in {@code 0..bound-1}.
   *
   * @return the largest, or -1 if there are none
   */
  static int indices(String op, String name, long address, long count, long bound) {
    if (count == 0) {
      return -1;
    }
    present(op, name, address);
    IntBuffer values = ints(address, count);
    int largest = -1;
    for (int i = 0; i < count; i++) {
      int value = values.get(i);
      if (value < 0 || value >= bound) {
        throw outside(op, name + "[" + i + "]", value, "0.." + (bound - 1));
      }
      largest = Math.max(largest, value);
    }
    return largest;
  }

  /** Reads and checks the bounds of {@code B} sequences: they start at 0 and do not fall. */
  static int[] offsets(String op, String name, long address, long B) {
    present(op, name, address);
    int[] offsets = new int[Math.toIntExact(B + 1)];
    ints(address, B + 1).get(offsets);
    if (offsets[0] != 0) {
      throw outside(op, name + "[0]", offsets[0], "0");
    }
    for (int b = 0; b < B; b++) {
      if (offsets[b + 1] < offsets[b]) {
        throw outside(op, name + "[" + (b + 1) + "]", offsets[b + 1], offsets[b] + " and up");
      }
    }
    return offsets;
  }

  private static IllegalArgumentException outside(
      String op, String name, Object value, String range) {
    return new IllegalArgumentException(op + ": " + name + " = " + value + "; it must be " + range);
  }
}
