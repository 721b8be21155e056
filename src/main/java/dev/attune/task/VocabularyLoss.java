package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.NextTokenMetrics;
import dev.attune.model.Model;
import dev.attune.ops.GatherRows;
import dev.attune.ops.LinearCrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;

/** The loss of language models and its metrics: one token of the vocabulary a learned row. */
final class VocabularyLoss {
  private VocabularyLoss() {}

  /** See {@link Task#loss}. Rows that are not learned meet neither head nor vocabulary. */
  static int apply(Tape tape, Model model, Tensor hidden, Staging staging, float labelSmoothing) {
    int M = staging.learnedRowCount();
    Tensor rows = GatherRows.apply(tape, hidden, staging.learnedRows(), M);
    LinearCrossEntropy.apply(
        tape,
        model.beforeVocabulary(tape, rows),
        model.vocabulary(),
        staging.rowLabels(),
        staging.losses(),
        tape.training() ? 0 : staging.predictions(),
        labelSmoothing);
    return M;
  }

  /** What the loss of each learned row counts, once all are known. */
  @FunctionalInterface
  interface Weighing {
    /**
     * @param losses (M) of the learned rows of the batch, in their order, then of those that fill
     *     up
     * @return (M), the derivative of what is minimised by each of them
     */
    float[] of(float[] losses);
  }

  /**
   * The losses of the learned rows, each counting what is made of all of them on the host, which
   * waits for the device. Leaves the gradient of what that is the derivative of.
   */
  static void weighted(Tape tape, Model model, Tensor hidden, Staging staging, Weighing weighing) {
    int M = staging.learnedRowCount();
    Tensor rows = GatherRows.apply(tape, hidden, staging.learnedRows(), M);
    LinearCrossEntropy.weighted(
        tape,
        model.beforeVocabulary(tape, rows),
        model.vocabulary(),
        staging.rowLabels(),
        staging.losses(),
        () -> weighing.of(staging.losses(M)));
  }

  /**
   * The same where what they count is known before, so that nothing waits.
   *
   * @param counts (M)
   */
  static void weighted(Tape tape, Model model, Tensor hidden, Staging staging, float[] counts) {
    Tensor rows = GatherRows.apply(tape, hidden, staging.learnedRows(), counts.length);
    LinearCrossEntropy.weighted(
        tape,
        model.beforeVocabulary(tape, rows),
        model.vocabulary(),
        staging.rowLabels(),
        staging.losses(),
        counts);
  }

  /** See {@link Task#metricNames()}. */
  static List<String> metricNames() {
    NextTokenMetrics metrics = new NextTokenMetrics();
    metrics.add(0, 1, 1);
    return List.copyOf(metrics.values().keySet());
  }

  /** See {@link Task#measurement}. */
  static Measurement measurement() {
    NextTokenMetrics metrics = new NextTokenMetrics();
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        metrics.add(output.loss(), batch.supervisedTargets(), output.right());
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }
}
