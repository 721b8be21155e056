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
  NF4;

  /** What {@code --load-in-bf16}, {@code -8bit} and {@code -4bit} say. */
  public static HeldWeights of(RunConfig config) {
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
    };
  }
}
