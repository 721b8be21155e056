package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.train.TrainerConfig.Evaluations;

/**
 * What a training run has to evaluate on, as it is known before anything is read, and what is asked
 * of evaluations.
 *
 * @param validation whether there is data to evaluate on while training
 * @param test whether there is data to evaluate on at the end
 */
record HeldOut(boolean validation, boolean test) {
  /** Of each fold of a cross-validation. */
  static final HeldOut FOLD = new HeldOut(true, false);

  /**
   * What the options name, or what is in memory.
   *
   * @param given null, or null in it: what the options name
   * @throws InputException if they name the same data twice, or leave none to train on
   */
  static HeldOut of(RunConfig config, Datasets given) {
    boolean validates =
        isThere(
            config,
            RunOption.VALIDATION_SPLIT,
            RunOption.VALIDATION_FILE,
            given == null ? null : given.validation());
    boolean tests =
        isThere(
            config, RunOption.TEST_SPLIT, RunOption.TEST_FILE, given == null ? null : given.test());
    Datasets.checkShares(config);
    return new HeldOut(validates, tests);
  }

  private static boolean isThere(
      RunConfig config, RunOption share, RunOption file, Object inMemory) {
    boolean isWhole = inMemory != null || config.isGiven(file);
    if (isWhole && config.isGiven(share)) {
      throw new InputException(share + " and " + file + " are both given; leave one of them out");
    }
    return isWhole || config.isGiven(share);
  }

  /** Refuses what is asked of evaluations where there is nothing to evaluate on. */
  void check(TrainPlan plan) {
    RunConfig config = plan.config();
    if (!validation) {
      checkNotAsked(config, plan.trainer().evaluations());
    }
    if (!validation && !test && config.isGiven(RunOption.MAX_EVAL_SAMPLES)) {
      throw needsData(RunOption.MAX_EVAL_SAMPLES.toString(), " needs data to evaluate on: ");
    }
    if (!validation && !test && plan.generation() != null) {
      throw new InputException(
          RunOption.EVALUATE_WITH.with("generate")
              + " needs "
              + RunOption.VALIDATION_FILE
              + " or "
              + RunOption.TEST_FILE
              + " to generate for");
    }
  }

  private static void checkNotAsked(RunConfig config, Evaluations evaluations) {
    boolean countsSteps = config.integer(RunOption.EVAL_STEPS) > 0;
    boolean hasStrategy =
        config.isGiven(RunOption.EVAL_STRATEGY)
            && !config.text(RunOption.EVAL_STRATEGY).equalsIgnoreCase("no");
    if (countsSteps || hasStrategy) {
      RunOption asked = countsSteps ? RunOption.EVAL_STEPS : RunOption.EVAL_STRATEGY;
      throw needsData(asked.toString(), " needs data to evaluate on: ");
    }
    if (TrainPlan.followsEvaluations(config)) {
      throw needsData(
          RunOption.LR_SCHEDULER.with(config.text(RunOption.LR_SCHEDULER)),
          " follows evaluations, and needs ");
    }
    if (evaluations.patience() > 0) {
      throw needsData(RunOption.EARLY_STOPPING_PATIENCE.toString(), " needs ");
    }
    if (evaluations.keepsBest()) {
      throw needsData(
          "keeping the best weights ("
              + RunOption.METRIC_FOR_BEST_MODEL
              + ", "
              + RunOption.LOAD_BEST_MODEL_AT_END
              + ")",
          " needs ");
    }
    if (config.flag(RunOption.TUNE_THRESHOLDS)) {
      throw needsData(RunOption.TUNE_THRESHOLDS.toString(), " needs ");
    }
  }

  private static InputException needsData(String asked, String needs) {
    return new InputException(
        asked + needs + RunOption.VALIDATION_FILE + " or " + RunOption.VALIDATION_SPLIT);
  }
}
