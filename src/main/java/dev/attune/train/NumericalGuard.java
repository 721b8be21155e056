package dev.attune.train;

import dev.attune.core.Term;
import dev.attune.store.FiniteValues;
import dev.attune.store.Parameters;
import java.util.Optional;

/**
 * What becomes of values that are infinite or NaN. The step block of the backend sees to it that a
 * loss or gradient of that kind updates nothing; what is left is to say so, and to keep weights
 * that an update itself has spoilt from every file.
 */
final class NumericalGuard {
  /** More of them, and it is not the batches. */
  private static final int MOST_SKIPPED_IN_A_ROW = 10;

  private static final String DIVERGED =
      ", which are infinite or NaN: the model has diverged, and is not saved. Try a lower "
          + Term.LEARNING_RATE
          + ", more warmup, or a bound on the gradient: "
          + Term.MAX_GRAD_NORM;

  private final Parameters parameters;
  private final TrainerConfig.Guards guards;

  NumericalGuard(Parameters parameters, TrainerConfig.Guards guards) {
    this.parameters = parameters;
    this.guards = guards;
  }

  /**
   * Counts a step that has changed nothing, because its loss or gradient was not finite.
   *
   * @throws DivergedException where that ends the run
   */
  void skip(TrainListener.Step step, TrainState state) {
    String found =
        String.format(
            "step %d: the loss is %s and the gradient norm %s",
            step.step(), step.loss(), step.gradNorm());
    Optional<String> weight = FiniteValues.badWeight(parameters);
    if (weight.isPresent()) {
      throw new DivergedException(
          found + ", since an update before has left values in " + weight.get() + DIVERGED);
    }
    if (!guards.skipsNonFinite()) {
      throw new DivergedException(
          found
              + "; training stopped before they reached the weights. Try a lower "
              + remedies()
              + ", and "
              + Term.ON_NONFINITE.of("skip")
              + " leaves such steps out");
    }
    state.skipped++;
    if (++state.skippedInARow > MOST_SKIPPED_IN_A_ROW) {
      throw new DivergedException(
          found
              + ", as in the "
              + MOST_SKIPPED_IN_A_ROW
              + " steps before: it is not the batches. Try a lower "
              + remedies());
    }
  }

  private static String remedies() {
    return Term.LEARNING_RATE
        + ", more warmup, or "
        + Term.PRECISION.of("fp32")
        + "; "
        + Term.CHECK_NUMERICS
        + " names the op that makes them";
  }

  /**
   * To be called before weights are evaluated or saved.
   *
   * @param step the last one
   * @throws DivergedException if an update has overflowed, by the tensor's name
   */
  void checkWeights(long step) {
    Optional<String> weight = FiniteValues.badWeight(parameters);
    if (weight.isPresent()) {
      throw new DivergedException(
          "step " + step + ": the update left values in " + weight.get() + DIVERGED);
    }
  }
}
