package dev.attune;

/** The type of activations; sums, statistics and trained weights are always f32. */
public enum Precision {
  /** bf16 where the device is faster with it, else fp32. */
  AUTO,
  /** bfloat16 operands of matrix products. */
  BF16,
  /** Single precision throughout: the reference. */
  FP32,
  /**
   * Products of the layers of 8-bit integers (each row of activations and each row of a weight
   * rounded to 255 steps), everything else in single precision: for models that read texts, on the
   * CPU. Training and generation refuse it.
   */
  INT8
}
