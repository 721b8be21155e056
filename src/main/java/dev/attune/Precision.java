package dev.attune;

/** The type of activations; sums, statistics and trained weights are always f32. */
public enum Precision {
  /** bf16 where the device is faster with it, else fp32. */
  AUTO,
  /** bfloat16 operands of matrix products. */
  BF16,
  /** Single precision throughout: the reference. */
  FP32
}
