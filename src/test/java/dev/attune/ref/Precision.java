package dev.attune.ref;

import dev.attune.core.DType;

/**
 * How a reference rounds. {@link #EXACT} does not; the others compute as a plain program would:
 * every sum and product rounded to f32, operands of matrix products and stored activations rounded
 * to the type of activations.
 */
public enum Precision {
  EXACT,
  F32,
  BF16;

  /** The plain program for activations of this type. */
  public static Precision plain(DType dtype) {
    return dtype == DType.BF16 ? BF16 : F32;
  }

  /** A result of arithmetic. */
  public double f32(double value) {
    return this == EXACT ? value : (float) value;
  }

  /** An activation as stored, or an operand of a matrix product. */
  public double stored(double value) {
    return switch (this) {
      case EXACT -> value;
      case F32 -> (float) value;
      case BF16 -> bf16(value);
    };
  }

  /** The nearest bfloat16. */
  public static double bf16(double value) {
    return DType.fromBf16(DType.toBf16((float) value));
  }
}
