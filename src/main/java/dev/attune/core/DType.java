package dev.attune.core;

/** Element types of tensors. The codes cross the native border; see {@code attune_ops.h}. */
public enum DType {
  /** IEEE 754 single precision: master weights, gradients of weights, statistics. */
  F32(0, 4, "F32"),
  /** bfloat16: activations and product operands in mixed precision. */
  BF16(1, 2, "BF16"),
  /** 32-bit signed integer: token ids, labels, offsets. */
  I32(2, 4, "I32"),
  /**
   * 4-bit NormalFloat blocks of a frozen weight; see {@code attune_quantize}. No single elements.
   */
  NF4(3, 0, "U8"),
  /** 8-bit blocks of a frozen weight; see {@code attune_quantize}. No single elements. */
  INT8(4, 0, "U8");

  private final int code;
  private final int sizeBytes;
  private final String safetensorsName;

  DType(int code, int sizeBytes, String safetensorsName) {
    this.code = code;
    this.sizeBytes = sizeBytes;
    this.safetensorsName = safetensorsName;
  }

  /** The number that stands for this type in native calls. */
  public int code() {
    return code;
  }

  /** Size of one element in bytes; 0 for a layout that has no single elements. */
  public int sizeBytes() {
    return sizeBytes;
  }

  /** The name used in safetensors headers. */
  public String safetensorsName() {
    return safetensorsName;
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
