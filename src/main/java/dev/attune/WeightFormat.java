package dev.attune;

/** How weights that are not trained are held in memory. */
public enum WeightFormat {
  /** As the precision asks, or as narrow as the folder has them. */
  AUTO,
  /** A language model's in bf16. */
  BF16,
  /** Those of matrix products in 8 bits. */
  INT8,
  /** Those of matrix products in 4 bits: NF4 with double quantization, as QLoRA. */
  NF4
}
