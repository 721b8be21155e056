package dev.attune.train;

import java.io.UncheckedIOException;
import java.util.Map;

/** Hears of a run's progress, on the training thread. */
public interface TrainListener {
  /**
   * @param step optimizer steps done, from 1
   * @param totalSteps of the run
   * @param epoch passes over the data done, as a fraction
   * @param loss mean over the targets of this step
   * @param gradNorm before clipping
   * @param learningRate of this step
   * @param tokens real tokens of this step
   * @param tokensPerSecond so far, first steps left out
   * @param secondsLeft estimate for the rest of the run
   * @param metrics what the task tells of a step beside its loss: {@code Task.stepMetrics}
   */
  record Step(
      long step,
      long totalSteps,
      double epoch,
      double loss,
      double gradNorm,
      double learningRate,
      long tokens,
      double tokensPerSecond,
      double secondsLeft,
      Map<String, Double> metrics) {
    /** A step of which nothing else is told. */
    public Step(
        long step,
        long totalSteps,
        double epoch,
        double loss,
        double gradNorm,
        double learningRate,
        long tokens,
        double tokensPerSecond,
        double secondsLeft) {
      this(
          step,
          totalSteps,
          epoch,
          loss,
          gradNorm,
          learningRate,
          tokens,
          tokensPerSecond,
          secondsLeft,
          Map.of());
    }
  }

  /** After each optimizer step. */
  void onStep(Step step);

  /**
   * After a step that changed nothing, because its loss or its gradient was not finite.
   *
   * @param step whose loss and norm are as they were found
   * @param skipped how many such steps there were so far
   */
  default void onSkipped(Step step, long skipped) {}

  /**
   * A loss far above those of the steps before; said once for a while.
   *
   * @param usual the median of those
   */
  default void onLossSpike(Step step, double usual) {}

  /**
   * After each evaluation.
   *
   * @param best whether it is the best so far
   */
  void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best);

  /**
   * A checkpoint could not be saved; earlier ones are whole. The run goes on, to the next one, if
   * this returns: who listens and says nothing of it ends the run with the failure.
   */
  default void onCheckpointFailed(long step, UncheckedIOException failure) {
    throw failure;
  }

  /**
   * After the last step, and before the last weights are evaluated: from here on the run ends by
   * itself and leaves what it has learned, whether it is told to stop or not.
   */
  default void onTrained() {}

  /** What was found of the data while they were learned from: one line. */
  default void onData(String finding) {}

  /**
   * Before a checkpoint is saved: whatever was told of the steps up to it is not told again by a
   * run that goes on from it, so who keeps what it is told has it safe when this returns.
   */
  default void onCheckpointBegins(long step) {}

  /** After a checkpoint is safe. */
  void onCheckpoint(long step);
}
