package dev.attune.kernels.torch;

import dev.attune.core.Check;
import dev.attune.memory.NativePointer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;

/** Argument checks: each message names the op, the argument, its value and the allowed range. */
final class Arguments {
  private Arguments() {}

  /** A number of elements of a flat store or of bytes, which may pass 2^31. */
  static void size(String op, String name, long value) {
    if (value < 0) {
      throw outside(op, name, value, "0 and up");
    }
  }

  /** A number that is at least {@code least}. */
  static void least(String op, String name, long value, long least) {
    if (value < least) {
      throw outside(op, name, value, least + " and up");
    }
  }

  /** The address of a tensor that is not optional. */
  static void present(String op, String name, long address) {
    Check.argument(address != 0, "%s: %s is null, must be an address", op, name);
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
    return new IllegalArgumentException(op + ": " + name + " is " + value + ", must be " + range);
  }
}
