package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.generate.GenerationOptions;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.optim.Sgd;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import dev.attune.train.TrainerConfig;

/**
 * What the options of a training run say, checked as far as they can be before anything is read.
 *
 * @param config the options themselves
 * @param task what is learned
 * @param trainer how the loop runs
 * @param lora the adapters to train; null: the whole model
 * @param dropout replaces every dropout of the model; null: keeps them
 * @param generation how evaluations generate; null: they do not
 * @param newHead whether a head that the model has is to be drawn anew
 */
record TrainPlan(
    RunConfig config,
    TaskType task,
    TrainerConfig trainer,
    LoraConfig lora,
    Float dropout,
    GenerationOptions generation,
    boolean newHead) {

  static TrainPlan of(RunConfig config) {
    TaskType task = Tasks.named(config.text(RunOption.TASK));
    Tasks.check(task, config.taskOptions());
    config.required(RunOption.MODEL);
    config.required(RunOption.OUTPUT_DIR);
    checkOptimizer(config);
    checkLimit(config);
    return new TrainPlan(
        config,
        task,
        trainer(config),
        Adapters.of(config),
        dropout(config),
        generation(config, task),
        newHead(config, task));
  }

  private static TrainerConfig trainer(RunConfig config) {
    return new TrainerConfig(
        config.smallInteger(RunOption.BATCH_SIZE),
        config.smallInteger(RunOption.EPOCHS),
        config.integer(RunOption.MAX_STEPS),
        config.smallInteger(RunOption.GRADIENT_ACCUMULATION_STEPS),
        config.number(RunOption.LEARNING_RATE),
        Schedule.Kind.ofOption(config.text(RunOption.LR_SCHEDULER)),
        config.integer(RunOption.WARMUP_STEPS),
        config.number(RunOption.WARMUP_RATIO),
        config.number(RunOption.MAX_GRAD_NORM),
        config.number(RunOption.LABEL_SMOOTHING),
        config.integer(RunOption.SEED),
        !config.flag(RunOption.NO_SHUFFLE),
        config.integer(RunOption.EVAL_STEPS),
        config.integer(RunOption.SAVE_STEPS),
        config.smallInteger(RunOption.EARLY_STOPPING_PATIENCE),
        config.text(RunOption.METRIC_FOR_BEST_MODEL));
  }

  private static void checkOptimizer(RunConfig config) {
    String kind = config.text(RunOption.OPTIMIZER);
    if (!kind.equals("adamw") && !kind.equals("sgd")) {
      throw new InputException(
          RunOption.OPTIMIZER + " is '" + kind + "'; allowed are adamw and sgd");
    }
  }

  private static void checkLimit(RunConfig config) {
    int kept = config.smallInteger(RunOption.SAVE_TOTAL_LIMIT);
    if (kept < 2) {
      throw new InputException(
          RunOption.SAVE_TOTAL_LIMIT
              + " is "
              + kept
              + "; at least 2 checkpoints are kept, so that a damaged one loses little");
    }
  }

  private static Float dropout(RunConfig config) {
    if (config.text(RunOption.DROPOUT) == null) {
      return null;
    }
    double dropout = config.number(RunOption.DROPOUT);
    if (!(dropout >= 0 && dropout < 1)) {
      throw new InputException(
          RunOption.DROPOUT + " is " + dropout + "; it must be at least 0 and below 1");
    }
    return (float) dropout;
  }

  private static GenerationOptions generation(RunConfig config, TaskType task) {
    if (EvaluationWay.of(config) == EvaluationWay.LOSS) {
      return null;
    }
    if (!task.generates()) {
      throw new InputException(
          RunOption.EVALUATE_WITH.with("generate")
              + " needs "
              + RunOption.TASK.with(Tasks.names(TaskType::generates))
              + "; the task is "
              + task.name());
    }
    return GenerationSettings.of(config);
  }

  private static boolean newHead(RunConfig config, TaskType task) {
    boolean wanted = config.flag(RunOption.NEW_HEAD);
    if (wanted && !task.hasOwnHead()) {
      throw new InputException(RunOption.NEW_HEAD + ": a language model has no head to draw anew");
    }
    return wanted;
  }

  /** The optimizer; the caller closes it. */
  Optimizer optimizer(Parameters parameters) {
    float decay = (float) config.number(RunOption.WEIGHT_DECAY);
    if (config.text(RunOption.OPTIMIZER).equals("sgd")) {
      return new Sgd(
          parameters, new Sgd.Config((float) config.number(RunOption.SGD_MOMENTUM), decay, false));
    }
    return new AdamW(
        parameters,
        new AdamW.Config(
            (float) config.number(RunOption.ADAM_BETA1),
            (float) config.number(RunOption.ADAM_BETA2),
            (float) config.number(RunOption.ADAM_EPSILON),
            decay));
  }

  /** Tokens of a text at most. */
  int maxLength(int positions) {
    int wanted = config.smallInteger(RunOption.MAX_LENGTH);
    if (wanted > positions) {
      if (config.isGiven(RunOption.MAX_LENGTH)) {
        throw new InputException(
            RunOption.MAX_LENGTH
                + " is "
                + wanted
                + ", the model has positions for "
                + positions
                + " tokens");
      }
      return positions;
    }
    return wanted;
  }
}
