package dev.attune.train;

import dev.attune.data.TargetKind;
import dev.attune.model.Model;
import dev.attune.ops.CrossEntropy;
import dev.attune.ops.GatherRows;
import dev.attune.ops.LinearCrossEntropy;
import dev.attune.ops.MeanSquaredError;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Task;

/** A task's loss. */
public final class Objective {
  private final Task task;
  private final float labelSmoothing;

  /**
   * @param labelSmoothing of the cross-entropy, 0..1
   */
  public Objective(Task task, float labelSmoothing) {
    this.task = task;
    this.labelSmoothing = labelSmoothing;
  }

  /** What a task's examples carry. */
  public static TargetKind targetKind(Task task) {
    return switch (task) {
      case CLASSIFICATION -> TargetKind.CLASS;
      case REGRESSION -> TargetKind.NUMBER;
      case TOKEN_CLASSIFICATION -> TargetKind.TAGS;
      case CAUSAL_LM -> TargetKind.NEXT_TOKEN;
    };
  }

  /**
   * Computes the losses of a staged batch and, in training, leaves the gradient of their sum in the
   * model's output. {@link Staging#sumLosses} then tells their sum; on a device, ask late: it
   * waits.
   *
   * @param output of the model's forward
   * @return how many losses there are
   */
  public int apply(Tape tape, Model model, Tensor output, Staging staging) {
    switch (task) {
      case REGRESSION -> MeanSquaredError.apply(tape, output, staging.targets(), staging.losses());
      case CLASSIFICATION, TOKEN_CLASSIFICATION ->
          CrossEntropy.apply(tape, output, staging.labels(), staging.losses(), labelSmoothing);
      case CAUSAL_LM -> {
        int M = staging.learnedRowCount();
        LinearCrossEntropy.apply(
            tape,
            GatherRows.apply(tape, output, staging.learnedRows(), M),
            model.vocabulary(),
            staging.labels(),
            staging.losses(),
            tape.training() ? 0 : staging.predictions(),
            labelSmoothing);
        return M;
      }
    }
    return (int) output.rows();
  }
}
