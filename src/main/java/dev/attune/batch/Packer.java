package dev.attune.batch;

import dev.attune.core.Check;

/** Fills batches from chosen examples: for one-off batches such as a single prediction. */
public final class Packer {
  private final EncodedDataset data;
  private final int positionOffset;

  /**
   * @param positionOffset added to every position: padding_idx + 1 for RoBERTa, else 0
   */
  public Packer(EncodedDataset data, int positionOffset) {
    this.data = data;
    this.positionOffset = positionOffset;
  }

  /** Packs the examples with the given indices, in that order, into {@code out}. */
  public Batch pack(int[] examples, Batch out) {
    for (int example : examples) {
      Check.argument(
          example >= 0 && example < data.examples(),
          "example %d of a dataset of %d",
          example,
          data.examples());
    }
    out.pack(data, examples, 0, examples.length, positionOffset, 0, Cursor.START);
    return out;
  }
}
