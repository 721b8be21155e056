package dev.attune.train;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.OtherVersionException;
import dev.attune.core.Term;
import dev.attune.model.Model;
import dev.attune.optim.EvaluatedRate;
import dev.attune.optim.Schedule;
import dev.attune.tape.Tape;
import dev.attune.train.TrainerConfig.Evaluations;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/** A run's evaluations on the way: when they are due, and what follows from what they find. */
final class Validation {
  private final Evaluator evaluator; // null: there is nothing to evaluate on
  private final Evaluations config;
  private final EvaluatedRate rate; // null where rates go by the step alone

  /**
   * @param evaluator measures on validation data, or null
   * @param schedule of the learning rate, which may go by evaluations
   * @throws InputException if they are to decide by a metric that the task does not have
   */
  Validation(Evaluator evaluator, Evaluations config, Schedule schedule) {
    this.evaluator = evaluator;
    this.config = config;
    this.rate = schedule.evaluated(Evaluator.lowerIsBetter(config.bestMetric()));
    if (config.keepsBest() || rate != null) {
      Check.argument(evaluator != null, "there is nothing to evaluate on, which decides");
      checkMetric(evaluator.names(), config.bestMetric());
    }
  }

  /** Before the first step: an evaluation may be hours away. */
  private static void checkMetric(List<String> names, String wanted) {
    if (!names.contains(wanted)) {
      throw new InputException(
          Term.METRIC_FOR_BEST_MODEL
              + " is '"
              + wanted
              + (wanted.equals(Evaluator.LOSS)
                  ? "', which the validation data has none of: its rows are of another form than"
                      + " those that are learned. Give one of "
                  : "'; this task measures ")
              + String.join(", ", names)
              + (names.contains("perplexity") && !names.contains("bleu")
                  ? ", and more with " + Term.EVALUATE_WITH.of("generate")
                  : ""));
    }
  }

  /** Whether there is anything to evaluate on. */
  boolean isThere() {
    return evaluator != null;
  }

  /** The learning rate that evaluations decide; null: it goes by the step alone. */
  EvaluatedRate rate() {
    return rate;
  }

  /** Whether one is due after a step. */
  boolean isDue(long step, boolean endsEpoch, boolean isLast) {
    return evaluator != null && (isLast || config.areDue(step, endsEpoch));
  }

  /** Evaluates to the end. */
  Map<String, Double> evaluate(Model model, Tape tape) {
    return evaluator.evaluate(model, tape);
  }

  /** Evaluates; empty where it was told to stop: then that is still due when the run goes on. */
  Optional<Map<String, Double>> evaluate(Model model, Tape tape, BooleanSupplier stopRequested) {
    try {
      return Optional.of(evaluator.evaluate(model, tape, stopRequested));
    } catch (InterruptedCallException e) {
      if (stopRequested.getAsBoolean()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /**
   * Draws the consequences of an evaluation: the run may end with it.
   *
   * @param state becomes what it is after it
   * @return whether it is the best so far
   */
  boolean note(Map<String, Double> evaluation, TrainState state) {
    state.evaluationDue = false;
    boolean best = noteScore(evaluation, state);
    if (rate != null) {
      rate.step(evaluation.get(config.bestMetric()));
    }
    int patience = config.patience();
    state.stoppedEarly = patience > 0 && state.evaluationsSinceBest >= patience;
    return best;
  }

  /** Where no weights are kept for it, the metric may be one that the data has no value of. */
  private boolean noteScore(Map<String, Double> evaluation, TrainState state) {
    String metric = config.bestMetric();
    double score = evaluation.getOrDefault(metric, Double.NaN);
    boolean isFirst = Double.isNaN(state.bestScore) && !Double.isNaN(score);
    boolean best =
        isFirst
            || (Evaluator.lowerIsBetter(metric)
                ? score < state.bestScore
                : score > state.bestScore);
    if (best) {
      state.bestScore = score;
      state.bestStep = state.step;
      state.evaluationsSinceBest = 0;
    } else {
      state.evaluationsSinceBest++;
    }
    return best;
  }

  /**
   * Goes on with the rate that a checkpoint had come to.
   *
   * @throws OtherVersionException if it does not say which
   */
  void restoreRate(TrainState state, Schedule.Kind kind) {
    if (rate == null) {
      return;
    }
    if (state.evaluatedRate == null) {
      throw new OtherVersionException(
          "the checkpoint does not say which learning rate "
              + Term.LR_SCHEDULER.of(kind.option())
              + " had come to: it was begun with another version of Attune. Go on with that one,"
              + " or begin again without "
              + Term.RESUME);
    }
    rate.restore(state.evaluatedRate);
  }
}
