package dev.attune.train;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.optim.Schedule;
import java.util.Map;

/**
 * How to train; what, is given to {@link TrainingLoop} itself. Names follow Transformers'
 * TrainingArguments.
 *
 * @param batchSize examples in a (micro-)batch
 * @param epochs passes over the data, also in part, unless maxSteps is given
 * @param maxSteps optimizer steps in all; 0: as many as the epochs have
 * @param gradientAccumulationSteps batches in an optimizer step
 * @param rates learning rates
 * @param maxGradNorm bound on the global gradient norm; 0: none
 * @param labelSmoothing 0..1
 * @param seed of order, dropout and new weights
 * @param shuffle false visits the data in file order
 * @param evaluations when to evaluate, and what follows from it
 * @param saveSteps save a checkpoint every so many steps; 0: never
 * @param guards what is done against values that are no numbers
 */
public record TrainerConfig(
    int batchSize,
    double epochs,
    long maxSteps,
    int gradientAccumulationSteps,
    Rates rates,
    double maxGradNorm,
    double labelSmoothing,
    long seed,
    boolean shuffle,
    Evaluations evaluations,
    long saveSteps,
    Guards guards) {
  /** Beyond this a run does not end in a lifetime, and a count of steps may not fit. */
  private static final double MAX_EPOCHS = 1e6;

  private static final long MAX_STEPS = 1_000_000_000;

  /** Products like 2.2 x 10 are 22 steps, not 23. */
  private static final double ROUNDING = 1e-9;

  /**
   * Learning rates.
   *
   * @param kind shape after the warmup
   * @param peak at the end of the warmup
   * @param warmupSteps steps of warmup; negative: by ratio
   * @param warmupRatio share of all steps that warm up
   * @param parameters of the shape: see {@link Schedule.Kind}
   */
  public record Rates(
      Schedule.Kind kind,
      double peak,
      long warmupSteps,
      double warmupRatio,
      Map<String, Double> parameters) {
    public Rates {
      if (!(peak > 0 && peak <= 1)) {
        throw new InputException(
            Term.LEARNING_RATE + " is " + peak + "; it must be above 0 and at most 1");
      }
      within(Term.WARMUP_RATIO, warmupRatio, 0, 1);
      parameters = Map.copyOf(kind.checked(parameters, peak));
    }

    /** A shape with its defaults. */
    public static Rates of(Schedule.Kind kind, double peak, long warmupSteps) {
      return new Rates(kind, peak, warmupSteps, 0, Map.of());
    }

    /** The rates of a run of so many steps. */
    public Schedule over(long totalSteps) {
      long warmup = warmupSteps >= 0 ? warmupSteps : (long) (totalSteps * warmupRatio);
      return new Schedule(kind, peak, warmup, totalSteps, parameters);
    }
  }

  /**
   * When to evaluate, and what follows from it.
   *
   * @param when the strategy
   * @param steps between two, of {@link When#STEPS}
   * @param patience evaluations without improvement after which to stop; 0: never
   * @param bestMetric what "better" means: "loss" or the name of a metric
   * @param keepsBest whether the best weights are kept, and are those that the run ends with
   */
  public record Evaluations(
      When when, long steps, int patience, String bestMetric, boolean keepsBest) {
    /** The moments of evaluations; the end is one where there is anything to evaluate on. */
    public enum When {
      /** At the end alone. */
      NO,
      /** After each pass over the data. */
      EPOCH,
      /** Every so many steps. */
      STEPS
    }

    public Evaluations {
      atLeast(Term.EVAL_STEPS, steps, when == When.STEPS ? 1 : 0);
      atLeast(Term.EARLY_STOPPING_PATIENCE, patience, 0);
    }

    /** After each pass, or every so many steps if not 0; the last weights are kept. */
    public static Evaluations every(long steps) {
      return new Evaluations(steps > 0 ? When.STEPS : When.EPOCH, steps, 0, "loss", false);
    }

    boolean areDue(long step, boolean endsEpoch) {
      return switch (when) {
        case NO -> false;
        case EPOCH -> endsEpoch;
        case STEPS -> step % steps == 0;
      };
    }
  }

  /**
   * What is done against values that are infinite or NaN.
   *
   * @param skipsNonFinite a step whose loss or gradient is not finite is left out; else it ends the
   *     run. Either way it changes no weight
   * @param checksNumerics the values that each op makes are read, so that the op is named
   */
  public record Guards(boolean skipsNonFinite, boolean checksNumerics) {
    /** The run ends, at no cost. */
    public static final Guards STOP = new Guards(false, false);

    public Guards {
      if (skipsNonFinite && checksNumerics) {
        throw new InputException(
            Term.CHECK_NUMERICS
                + " ends the run at the first value that is not finite, and "
                + Term.ON_NONFINITE.of("skip")
                + " goes on; leave one of the two out");
      }
    }
  }

  /** With {@link Guards#STOP}. */
  public TrainerConfig(
      int batchSize,
      double epochs,
      long maxSteps,
      int gradientAccumulationSteps,
      Rates rates,
      double maxGradNorm,
      double labelSmoothing,
      long seed,
      boolean shuffle,
      Evaluations evaluations,
      long saveSteps) {
    this(
        batchSize,
        epochs,
        maxSteps,
        gradientAccumulationSteps,
        rates,
        maxGradNorm,
        labelSmoothing,
        seed,
        shuffle,
        evaluations,
        saveSteps,
        Guards.STOP);
  }

  public TrainerConfig {
    atLeast(Term.BATCH_SIZE, batchSize, 1);
    if (!(epochs > 0 && epochs <= MAX_EPOCHS)) {
      throw new InputException(
          Term.EPOCHS + " is " + epochs + "; it must be above 0 and at most " + (long) MAX_EPOCHS);
    }
    if (!(maxSteps >= 0 && maxSteps <= MAX_STEPS)) {
      throw new InputException(
          Term.MAX_STEPS + " is " + maxSteps + "; it must be at least 0 and at most " + MAX_STEPS);
    }
    atLeast(Term.GRADIENT_ACCUMULATION_STEPS, gradientAccumulationSteps, 1);
    atLeast(Term.SAVE_STEPS, saveSteps, 0);
    within(Term.LABEL_SMOOTHING, labelSmoothing, 0, 0.999);
    within(Term.MAX_GRAD_NORM, maxGradNorm, 0, Double.MAX_VALUE);
  }

  private static void atLeast(Term term, long value, long least) {
    if (value < least) {
      throw new InputException(term + " is " + value + "; it must be at least " + least);
    }
  }

  private static void within(Term term, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new InputException(
          term
              + " is "
              + value
              + "; it must be "
              + (most == Double.MAX_VALUE
                  ? "a finite number of at least " + least
                  : "between " + least + " and " + most));
    }
  }

  /** Optimizer steps in an epoch of so many batches; the last may accumulate fewer. */
  public long stepsPerEpoch(long batches) {
    return (batches + gradientAccumulationSteps - 1) / gradientAccumulationSteps;
  }

  /** Optimizer steps of the run: a part of an epoch is rounded up to whole steps. */
  public long totalSteps(long batchesPerEpoch) {
    return maxSteps > 0
        ? maxSteps
        : (long) Math.ceil(stepsPerEpoch(batchesPerEpoch) * epochs - ROUNDING);
  }
}
