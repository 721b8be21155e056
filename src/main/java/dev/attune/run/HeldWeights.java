package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;

/** How weights that are not trained are held in memory. */
public enum HeldWeights {
  /**
   * In the type of activations, or as narrow as the folder has them; an encoder's in f32, as they
   * were trained.
   */
  AUTO,
  /** A language model's in bf16, though activations are f32. */
  BF16,
  /** Those of products in 8 bits. */
  INT8,
  /** Those of products in 4 bits: QLoRA's NF4. */
  NF4,
  /** Those of the layers' products as rows of int8, which integers multiply. */
  CHANNEL_INT8;

  /** What {@code --load-in-bf16}, {@code -8bit}, {@code -4bit} and {@code --precision} say. */
  public static HeldWeights of(RunConfig config) {
    return asked(config).under(PrecisionOption.ofOption(config.text(RunOption.PRECISION)));
  }

  /** The same under a precision, which may ask for a form of its own. */
  public HeldWeights under(PrecisionOption precision) {
    if (precision != PrecisionOption.INT8) {
      return this;
    }
    if (this != AUTO) {
      throw new InputException(
          RunOption.PRECISION.with("int8")
              + " holds the weights of the layers in 8 bits already, in a form of its own; leave "
              + RunOption.LOAD_IN_4BIT
              + ", "
              + RunOption.LOAD_IN_8BIT
              + " and "
              + RunOption.LOAD_IN_BF16
              + " out");
    }
    return CHANNEL_INT8;
  }

  private static HeldWeights asked(RunConfig config) {
    boolean in4 = config.flag(RunOption.LOAD_IN_4BIT);
    boolean in8 = config.flag(RunOption.LOAD_IN_8BIT);
    if (in4 && in8) {
      throw new InputException(
          "give one of " + RunOption.LOAD_IN_4BIT + " and " + RunOption.LOAD_IN_8BIT);
    }
    if (in4 || in8) {
      return in4 ? NF4 : INT8;
    }
    return config.flag(RunOption.LOAD_IN_BF16) ? BF16 : AUTO;
  }

  /**
   * The type of the weights of products.
   *
   * @param matrices type of the other matrices
   */
  public DType products(DType matrices) {
    return switch (this) {
      case AUTO, BF16 -> matrices;
      case INT8 -> DType.INT8;
      case NF4 -> DType.NF4;
      case CHANNEL_INT8 -> DType.CHANNEL_INT8;
    };
  }
}
