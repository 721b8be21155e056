package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.data.TargetKind;
import dev.attune.model.Task;
import dev.attune.ops.CrossEntropy;
import dev.attune.ops.MeanSquaredError;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

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
    };
  }

  /**
   * Computes the losses of a staged batch and, in training, leaves the gradient of their sum in the
   * logits. {@link Staging#sumLosses} then tells their sum; on a device, ask late: it waits.
   */
  public void apply(Tape tape, Tensor logits, Staging staging, Batch batch) {
    if (task == Task.REGRESSION) {
      MeanSquaredError.apply(tape, logits, staging.targets(), staging.losses());
    } else {
      CrossEntropy.apply(tape, logits, staging.labels(), staging.losses(), labelSmoothing);
    }
  }
}
