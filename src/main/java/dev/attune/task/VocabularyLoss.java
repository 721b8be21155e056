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
