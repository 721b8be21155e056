package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import java.util.Locale;

/** The type of activations that a run asks for. */
public enum PrecisionOption {
  /** bf16 where the backend is faster with it, else fp32. */
  AUTO,
  BF16,
  FP32,
  /**
   * The products of the layers of int8 activations with int8 weights; all else in fp32. For models
   * that read texts, on the CPU.
   */
  INT8;

  /** The precision that {@code --precision} names. */
  public static PrecisionOption ofOption(String option) {
    for (PrecisionOption precision : values()) {
      if (precision.name().equals(option.toUpperCase(Locale.ROOT))) {
        return precision;
      }
    }
    throw new InputException(
        RunOption.PRECISION
            + " is '"
            + option
            + "'; allowed are auto, bf16, fp32 and, to predict, evaluate or embed, int8");
  }

  /** Refuses int8, for what trains or writes texts. */
  public void checkIsFloat() {
    if (this == INT8) {
      throw new InputException(
          RunOption.PRECISION.with("int8")
              + " is for models that read texts: to predict, evaluate or embed. Training needs"
              + " gradients, which rounded activations do not have, and a text that is written"
              + " token by token goes on from its own errors; give auto, bf16 or fp32");
    }
  }

  /** What it comes to on a backend. */
  public DType on(Backend backend) {
    return switch (this) {
      case AUTO -> backend.hasFastBf16() ? DType.BF16 : DType.F32;
      case BF16 -> DType.BF16;
      case FP32, INT8 -> DType.F32;
    };
  }

  /** The name of a type that {@link #on} gives: "bf16" or "fp32". */
  static String name(DType resolved) {
    return resolved == DType.BF16 ? "bf16" : "fp32";
  }
}
