package dev.attune.core;

/** Element types of tensors. The codes cross the native border; see {@code attune_ops.h}. */
public enum DType {
  /** IEEE 754 single precision: master weights, gradients of weights, statistics. */
  F32(0, 4),
  /** bfloat16: activations and product operands in mixed precision. */
  BF16(1, 2),
  /** 32-bit signed integer: token ids, labels, offsets. */
  I32(2, 4),
  /**
   * 4-bit NormalFloat blocks of a frozen weight; see {@code attune_quantize}. No single elements.
   */
  NF4(3, 0),
  /** 8-bit blocks of a frozen weight; see {@code attune_quantize}. No single elements. */
  INT8(4, 0),
  /**
   * 8-bit rows of a frozen weight, each with one scale, for products of integers; see {@code
   * attune_linear_int8_pack}. No single elements, and no other product reads it.
   */
  CHANNEL_INT8(5, 0);

  private final int code;
  private final int sizeBytes;

  DType(int code, int sizeBytes) {
    this.code = code;
    this.sizeBytes = sizeBytes;
  }

  /** The number that stands for this type in native calls. */
  public int code() {
    return code;
  }

  /** Size of one element in bytes; 0 for a layout that has no single elements. */
  public int sizeBytes() {
    return sizeBytes;
  }

  /** Rounds to the nearest bfloat16, ties to even; NaN stays NaN. */
  public static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  /** Widens a bfloat16; exact. */
  public static float fromBf16(short value) {
    return Float.intBitsToFloat(value << 16);
  }
}
