package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;

/** A task's loss, with its label smoothing. */
public final class Objective {
  private final Task task;
  private final float labelSmoothing;

  /**
   * @param labelSmoothing of the cross-entropy, 0..1
   * @throws InputException where the task's loss has none
   */
  public Objective(Task task, float labelSmoothing) {
    if (labelSmoothing != 0 && !task.smoothsLabels()) {
      throw new InputException(
          Term.LABEL_SMOOTHING + " has no meaning for " + Term.TASK.of(task.name()));
    }
    this.task = task;
    this.labelSmoothing = labelSmoothing;
  }

  /** What a task that {@linkplain Task#readsLosses reads losses} needs; null: nothing. */
  public static Objective read(Task task) {
    return task.readsLosses() ? new Objective(task, 0f) : null;
  }

  /** See {@link Task#divisor}. */
  public double divisor(Batch batch) {
    return task.divisor(batch);
  }

  /** See {@link Task#prepare}. */
  public void prepare(Batch batch, Model model, Tape tape, Staging staging) {
    task.prepare(batch, model, tape, staging);
  }

  /** See {@link Task#readsBack}. */
  public boolean readsBack() {
    return task.readsBack();
  }

  /** See {@link Task#stepMetrics}. */
  public List<String> stepMetrics() {
    return task.stepMetrics();
  }

  /** See {@link Task#pieceExamples}. */
  public int pieceExamples() {
    return task.pieceExamples();
  }

  /** See {@link Task#loss}. */
  public int apply(Tape tape, Model model, Tensor output, Staging staging) {
    return task.loss(tape, model, output, staging, labelSmoothing);
  }
}
