package dev.attune.train;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.optim.Schedule;

/**
 * How to train; what, is given to {@link TrainingLoop} itself. Names follow Transformers'
 * TrainingArguments.
 *
 * @param batchSize sequences in a (micro-)batch
 * @param epochs passes over the data, unless maxSteps is given
 * @param maxSteps optimizer steps in all; 0: as many as the epochs have
 * @param gradientAccumulationSteps batches in an optimizer step
 * @param learningRate at the end of the warmup
 * @param schedule shape of the learning rate
 * @param warmupSteps steps of warmup; negative: by ratio
 * @param warmupRatio share of all steps that warm up
 * @param maxGradNorm bound on the global gradient norm; 0: none
 * @param labelSmoothing 0..1
 * @param seed of order, dropout and new weights
 * @param shuffle false visits the data in file order
 * @param evalSteps evaluate every so many steps; 0: after each epoch
 * @param saveSteps save a checkpoint every so many steps; 0: never
 * @param earlyStoppingPatience evaluations without improvement after which to stop; 0: never
 * @param bestMetric what early stopping watches: "loss" or the name of a metric
 */
public record TrainerConfig(
    int batchSize,
    int epochs,
    long maxSteps,
    int gradientAccumulationSteps,
    double learningRate,
    Schedule.Kind schedule,
    long warmupSteps,
    double warmupRatio,
    double maxGradNorm,
    double labelSmoothing,
    long seed,
    boolean shuffle,
    long evalSteps,
    long saveSteps,
    int earlyStoppingPatience,
    String bestMetric) {

  public TrainerConfig {
    atLeast(Term.BATCH_SIZE, batchSize, 1);
    atLeast(Term.EPOCHS, epochs, 1);
    atLeast(Term.MAX_STEPS, maxSteps, 0);
    atLeast(Term.GRADIENT_ACCUMULATION_STEPS, gradientAccumulationSteps, 1);
    atLeast(Term.EVAL_STEPS, evalSteps, 0);
    atLeast(Term.SAVE_STEPS, saveSteps, 0);
    atLeast(Term.EARLY_STOPPING_PATIENCE, earlyStoppingPatience, 0);
    if (!(learningRate > 0 && learningRate <= 1)) {
      throw new InputException(
          Term.LEARNING_RATE + " is " + learningRate + "; it must be above 0 and at most 1");
    }
    within(Term.WARMUP_RATIO, warmupRatio, 0, 1);
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
          term + " is " + value + "; it must be between " + least + " and " + most);
    }
  }

  /** Optimizer steps in an epoch of so many batches; the last may accumulate fewer. */
  public long stepsPerEpoch(long batches) {
    return (batches + gradientAccumulationSteps - 1) / gradientAccumulationSteps;
  }

  /** Optimizer steps of the run. */
  public long totalSteps(long batchesPerEpoch) {
    return maxSteps > 0 ? maxSteps : stepsPerEpoch(batchesPerEpoch) * epochs;
  }

  /** The learning rate over a run of so many steps. */
  public Schedule scheduleOver(long totalSteps) {
    long warmup = warmupSteps >= 0 ? warmupSteps : (long) (totalSteps * warmupRatio);
    return new Schedule(schedule, learningRate, warmup, totalSteps);
  }
}
