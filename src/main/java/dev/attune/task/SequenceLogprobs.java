package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import java.util.Arrays;

/**
 * The log-probability of what is learned of each sequence: the sum of those of its learned tokens,
 * as a language model finds them.
 */
public final class SequenceLogprobs implements Reading {
  private final double[] values; // (sequences of the dataset)

  /**
   * @param data encoded for training, whose batches will be added
   */
  public SequenceLogprobs(EncodedDataset data) {
    this.values = new double[data.size()];
  }

  /** What gives the losses that are read. */
  public static Objective objective() {
    return new Objective(new CausalLm(false), 0f);
  }

  @Override
  public void add(Batch batch, ModelOutput output) {
    double[] sums = of(batch, output.losses());
    for (int b = 0; b < sums.length; b++) {
      values[batch.exampleIndex()[b]] = sums[b];
    }
  }

  @Override
  public void end() {}

  /** Of each sequence. */
  public double[] values() {
    return values;
  }

  /**
   * Of the sequences of a batch (B).
   *
   * @param losses of the learned rows, in their order
   */
  static double[] of(Batch batch, float[] losses) {
    double[] sums = new double[batch.sequences()];
    int at = 0;
    for (int b = 0; b < sums.length; b++) {
      int end = at + learned(batch, b);
      while (at < end) {
        sums[b] -= losses[at++];
      }
    }
    return sums;
  }

  /**
   * A value of each sequence for each of its learned rows.
   *
   * @param ofSequences (B)
   * @param count of rows; those behind the batch's own have 0
   */
  static float[] spread(Batch batch, double[] ofSequences, int count) {
    float[] rows = new float[count];
    int at = 0;
    for (int b = 0; b < ofSequences.length; b++) {
      int learned = learned(batch, b);
      Arrays.fill(rows, at, at + learned, (float) ofSequences[b]);
      at += learned;
    }
    return rows;
  }

  /** Learned rows of a sequence of a batch. */
  static int learned(Batch batch, int sequence) {
    int count = 0;
    for (int row = batch.cuSeqlens()[sequence]; row < batch.cuSeqlens()[sequence + 1]; row++) {
      count += batch.labels()[row] == EncodedDataset.IGNORED ? 0 : 1;
    }
    return count;
  }
}
