package dev.attune.task;

import java.nio.FloatBuffer;

/** What a model made of a batch. */
public interface ModelOutput {
  /** Logits (rows, cols) on the host, valid until the next batch; a device is waited for. */
  FloatBuffer logits();

  /** Rows of the logits; on a device there may be more than the batch has. */
  int rows();

  /** Columns of the logits. */
  int cols();

  /** Sum of the batch's losses; NaN where none were asked for. */
  double loss();

  /** Each of the batch's losses, where they were asked for; a device is waited for. */
  float[] losses();

  /**
   * The losses, and behind them so many further values of each, as {@link Task#stepMetrics} says.
   */
  default float[] lossesAnd(int values) {
    throw new UnsupportedOperationException("no losses were asked for");
  }

  /** Of a language model: how many of the learned tokens were the most probable ones. */
  int right();
}
