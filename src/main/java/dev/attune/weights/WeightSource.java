package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Set;

/**
 * Named tensors that can be read as f32. Safe for use by several threads at once; after {@link
 * #close} every method but {@code close} throws {@link IllegalStateException}.
 */
public interface WeightSource extends AutoCloseable {
  /** The names, in the order of the file. */
  Set<String> names();

  /**
   * Type and shape of a tensor.
   *
   * @throws InputException when there is no tensor of that name
   */
  TensorInfo info(String name);

  /**
   * Reads {@code out.remaining()} elements, beginning with element {@code first} in row-major
   * order, into {@code out} and advances its position. F32, F16, BF16 and F64 are converted.
   *
   * @throws InputException for an unknown name, another type, or an F64 value beyond the f32 range
   * @throws IllegalArgumentException when the range is not inside the tensor
   */
  void read(String name, long first, FloatBuffer out);

  /**
   * Reads a whole tensor into {@code out}, which must have room for it, and advances its position.
   */
  default void read(String name, FloatBuffer out) {
    long elements = info(name).elements();
    Check.argument(
        out.remaining() >= elements,
        "%s has %d elements, the buffer has room for %d",
        name,
        elements,
        out.remaining());
    int limit = out.limit();
    out.limit(out.position() + (int) elements);
    try {
      read(name, 0, out);
    } finally {
      out.limit(limit);
    }
  }

  /** Whether two tensors have one shape and the same values. */
  default boolean holdsSame(String one, String other) {
    if (!Arrays.equals(info(one).shape(), info(other).shape())) {
      return false;
    }
    int most = 1 << 20;
    FloatBuffer ours = FloatBuffer.allocate(most);
    FloatBuffer theirs = FloatBuffer.allocate(most);
    for (long first = 0; first < info(one).elements(); first += most) {
      int piece = (int) Math.min(most, info(one).elements() - first);
      read(one, first, ours.clear().limit(piece));
      read(other, first, theirs.clear().limit(piece));
      if (!ours.flip().equals(theirs.flip())) {
        return false;
      }
    }
    return true;
  }

  @Override
  void close();
}
