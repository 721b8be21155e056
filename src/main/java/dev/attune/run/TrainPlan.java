package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.generate.GenerationOptions;
import dev.attune.model.Model;
import dev.attune.optim.Optimizer;
import dev.attune.optim.RateFactors;
import dev.attune.optim.Schedule;
import dev.attune.run.RunOption.OnResume;
import dev.attune.store.Freezing;
import dev.attune.store.Initialization;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import dev.attune.text.TextTokenizer;
import dev.attune.train.TrainerConfig;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Evaluations.When;
import dev.attune.train.TrainerConfig.Guards;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What the options of a training run say, checked as far as they can be before anything is read.
 *
 * @param config the options themselves
 * @param task what is learned
 * @param trainer how the loop runs
 * @param optimizer that the options name
 * @param factors what the rate is multiplied by, part by part
 * @param freezing parts of the model that keep their weights
 * @param lora the adapters to train; null: the whole model
 * @param dropout replaces every dropout of the model; null: keeps them
 * @param generation how evaluations generate; null: they do not
 * @param newHead whether a head that the model has is to be drawn anew
 * @param begun the options of the run that this goes on with; null: there is none
 */
record TrainPlan(
    RunConfig config,
    TaskType task,
    TrainerConfig trainer,
    Optimizers optimizer,
    RateFactors factors,
    Freezing freezing,
    LoraConfig lora,
    Float dropout,
    GenerationOptions generation,
    boolean newHead,
    RunConfig begun) {
  private static final int MOST_MINUTES = 366 * 24 * 60;

  static TrainPlan of(RunConfig config) {
    return of(config, BegunRun.options(config));
  }

  /**
   * The same of a run that may go on, as it was begun: what does nothing is refused where a run
   * begins.
   *
   * @param begun the options that it was begun with; null: it begins
   */
  static TrainPlan of(RunConfig config, RunConfig begun) {
    return of(config, ModelFolder.isAdapter(Path.of(config.required(RunOption.MODEL))), begun);
  }

  private static TrainPlan of(RunConfig config, boolean isAdapter, RunConfig begun) {
    TaskType task = Tasks.named(config.text(RunOption.TASK));
    Tasks.check(task, config.taskOptions());
    config.required(RunOption.OUTPUT_DIR);
    checkLimit(config);
    Compute.of(config).precision().checkIsFloat();
    checkLength(config);
    checkLogging(config);
    checkRetries(config);
    Reporting.of(config);
    TrainPlan plan =
        new TrainPlan(
            config,
            task,
            trainer(config),
            Optimizers.of(config),
            factors(config, task),
            Frozen.of(config, task, isAdapter),
            isAdapter || mayBeAdapter(config) ? null : adapters(config, begun),
            config.probability(RunOption.DROPOUT),
            generation(config, task),
            newHead(config, task),
            begun);
    IdleOptions.check(config, begun);
    return plan;
  }

  /** Whether a run was begun with what is asked for, so far as it must stay. */
  boolean isAsBegun() {
    return begun != null
        && CommandOptions.TRAIN.stream()
            .filter(option -> option.onResume() == OnResume.STAYS && config.isGiven(option))
            .allMatch(option -> config.agrees(begun, option));
  }

  private static LoraConfig adapters(RunConfig config, RunConfig begun) {
    LoraConfig lora = Adapters.begun(config, begun);
    if (lora != null && config.flag(RunOption.FROM_SCRATCH)) {
      throw new InputException(
          RunOption.FROM_SCRATCH
              + " does not go with "
              + RunOption.LORA_R
              + ", which freezes all weights but those of adapters: they would stay as they are"
              + " drawn at random");
    }
    return lora;
  }

  /**
   * Whether the model has a name that may yet turn out to be an adapter's, whose own rank and
   * targets count then ({@link #continuing}), and comes without a rank.
   */
  private static boolean mayBeAdapter(RunConfig config) {
    return !Files.isDirectory(Path.of(config.text(RunOption.MODEL)))
        && config.smallInteger(RunOption.LORA_R) == 0;
  }

  /**
   * The same for a model that turned out to be none.
   *
   * @throws InputException if adapters were described without being asked for
   */
  TrainPlan ofModel() {
    Adapters.begun(config, begun);
    return this;
  }

  /**
   * The same for an adapter that is trained further.
   *
   * @throws InputException naming what it cannot be asked for, or what it has that is not trained
   */
  TrainPlan continuing(ModelFolder adapter) {
    LoraConfig saved = adapter.adapter().lora();
    if (newHead) {
      throw new InputException(
          RunOption.NEW_HEAD
              + ": the adapter "
              + adapter.path()
              + " is trained further with its head; for another, merge it and train the model that"
              + " this makes");
    }
    if (saved.initialization() == Initialization.MICA) {
      throw new InputException(
          adapter.path()
              + ": adapter_config.json has init_lora_weights mica, of which A alone learns in PEFT:"
              + " it is applied here but not trained; merge the adapter, and train the model that"
              + " this makes");
    }
    TrainPlan plan = of(Adapters.continued(config, saved, adapter.path()), true, begun);
    return new TrainPlan(
        plan.config,
        task,
        plan.trainer,
        plan.optimizer,
        plan.factors,
        plan.freezing,
        saved,
        dropout,
        generation,
        false,
        begun);
  }

  static TrainerConfig trainer(RunConfig config) {
    return new TrainerConfig(
        config.smallInteger(RunOption.BATCH_SIZE),
        config.number(RunOption.EPOCHS),
        config.integer(RunOption.MAX_STEPS),
        config.smallInteger(RunOption.GRADIENT_ACCUMULATION_STEPS),
        rates(config),
        config.number(RunOption.MAX_GRAD_NORM),
        config.number(RunOption.LABEL_SMOOTHING),
        config.integer(RunOption.SEED),
        !config.flag(RunOption.NO_SHUFFLE),
        evaluations(config),
        config.integer(RunOption.SAVE_STEPS),
        new Guards(skipsNonFinite(config), config.flag(RunOption.CHECK_NUMERICS)));
  }

  private static boolean skipsNonFinite(RunConfig config) {
    String way = config.text(RunOption.ON_NONFINITE);
    if (!way.equals("stop") && !way.equals("skip")) {
      throw new InputException(
          RunOption.ON_NONFINITE + " is '" + way + "'; allowed are stop and skip");
    }
    return way.equals("skip");
  }

  private static Rates rates(RunConfig config) {
    Schedule.Kind kind = Schedule.Kind.ofOption(config.text(RunOption.LR_SCHEDULER));
    long steps = config.integer(RunOption.WARMUP_STEPS);
    if (steps < -1) {
      throw new InputException(
          RunOption.WARMUP_STEPS
              + " is "
              + steps
              + "; it must be at least 0, or -1 for "
              + RunOption.WARMUP_RATIO);
    }
    return new Rates(
        kind,
        config.number(RunOption.LEARNING_RATE),
        steps,
        config.number(RunOption.WARMUP_RATIO),
        kind.parsed(config.pairs(RunOption.LR_SCHEDULER_KWARGS)));
  }

  /** Without a strategy, the steps between two say which it is. */
  static Evaluations evaluations(RunConfig config) {
    long steps = config.integer(RunOption.EVAL_STEPS);
    String strategy = config.text(RunOption.EVAL_STRATEGY);
    When when = steps > 0 ? When.STEPS : When.EPOCH;
    if (strategy != null) {
      when = when(strategy);
      if (when == When.STEPS != steps > 0) {
        throw new InputException(
            RunOption.EVAL_STRATEGY.with(strategy)
                + (steps > 0
                    ? " does not go with " + RunOption.EVAL_STEPS.with(steps)
                    : " needs " + RunOption.EVAL_STEPS));
      }
    }
    int patience = config.smallInteger(RunOption.EARLY_STOPPING_PATIENCE);
    if (patience > 0 && when == When.NO) {
      throw new InputException(
          RunOption.EARLY_STOPPING_PATIENCE
              + " compares evaluations on the way, of which "
              + RunOption.EVAL_STRATEGY.with("no")
              + " makes none; leave one of the two out");
    }
    if (followsEvaluations(config) && when == When.NO) {
      throw new InputException(
          RunOption.LR_SCHEDULER.with(config.text(RunOption.LR_SCHEDULER))
              + " follows evaluations on the way, of which "
              + RunOption.EVAL_STRATEGY.with("no")
              + " makes none; leave one of the two out");
    }
    String metric = config.text(RunOption.METRIC_FOR_BEST_MODEL);
    boolean keepsBest =
        patience > 0 || metric != null || config.flag(RunOption.LOAD_BEST_MODEL_AT_END);
    return new Evaluations(when, steps, patience, metric == null ? "loss" : metric, keepsBest);
  }

  /** Whether evaluations decide on rates. */
  static boolean followsEvaluations(RunConfig config) {
    return Schedule.Kind.ofOption(config.text(RunOption.LR_SCHEDULER)).followsEvaluations();
  }

  private static When when(String strategy) {
    for (When when : When.values()) {
      if (when.name().equalsIgnoreCase(strategy)) {
        return when;
      }
    }
    throw new InputException(
        RunOption.EVAL_STRATEGY + " is '" + strategy + "'; allowed are no, epoch and steps");
  }

  private static RateFactors factors(RunConfig config, TaskType task) {
    double head = 1;
    if (config.isGiven(RunOption.HEAD_LEARNING_RATE)) {
      double rate = config.number(RunOption.HEAD_LEARNING_RATE);
      if (!(rate > 0 && rate <= 1)) {
        throw new InputException(
            RunOption.HEAD_LEARNING_RATE + " is " + rate + "; it must be above 0 and at most 1");
      }
      if (!task.hasOwnHead()) {
        throw new InputException(
            RunOption.HEAD_LEARNING_RATE
                + ": models of "
                + RunOption.TASK.with(task.name())
                + " have no head of their own");
      }
      head = rate / config.number(RunOption.LEARNING_RATE);
    }
    return new RateFactors(config.number(RunOption.LAYER_LR_DECAY), head);
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

  /** Steps from one line of metrics.jsonl to the next. */
  long loggingSteps() {
    return config.integer(RunOption.LOGGING_STEPS);
  }

  private static void checkLogging(RunConfig config) {
    long steps = config.integer(RunOption.LOGGING_STEPS);
    if (steps < 1) {
      throw new InputException(
          RunOption.LOGGING_STEPS + " is " + steps + "; it must be at least 1");
    }
  }

  private static void checkRetries(RunConfig config) {
    double minutes = config.number(RunOption.SAVE_RETRY_MINUTES);
    if (!(minutes >= 0 && minutes <= MOST_MINUTES)) {
      throw new InputException(
          RunOption.SAVE_RETRY_MINUTES
              + " is "
              + config.text(RunOption.SAVE_RETRY_MINUTES)
              + "; it must be from 0 to "
              + MOST_MINUTES
              + ", a year");
    }
  }

  private static void checkLength(RunConfig config) {
    int length = config.smallInteger(RunOption.MAX_LENGTH);
    if (length < 1) {
      throw new InputException(RunOption.MAX_LENGTH + " is " + length + "; it must be at least 1");
    }
  }

  private static GenerationOptions generation(RunConfig config, TaskType task) {
    if (EvaluationWay.of(config) == EvaluationWay.LOSS) {
      return null;
    }
    if (!task.generates()) {
      throw new InputException(
          RunOption.EVALUATE_WITH.with("generate")
              + " needs "
              + RunOption.TASK
              + " "
              + Tasks.names(TaskType::generates).replace(" and ", " or ")
              + "; the task is "
              + task.name());
    }
    return GenerationSettings.of(config);
  }

  private static boolean newHead(RunConfig config, TaskType task) {
    boolean wanted = config.flag(RunOption.NEW_HEAD);
    if (wanted && !task.hasOwnHead()) {
      throw new InputException(
          RunOption.NEW_HEAD + ": a model for " + task.name() + " has no head to draw anew");
    }
    return wanted;
  }

  /** The optimizer; the caller closes it. */
  Optimizer optimizer(Parameters parameters) {
    return optimizer.open(parameters, factors);
  }

  /**
   * Tokens of a text at most.
   *
   * @param usual where the options do not say; null: as the tokenizer, or their default, has it
   */
  int maxLength(Model model, Integer usual, TextTokenizer tokenizer) {
    int wanted = config.smallInteger(RunOption.MAX_LENGTH);
    return config.isGiven(RunOption.MAX_LENGTH)
        ? TextLength.asked(wanted, model)
        : TextLength.usual(usual, wanted, tokenizer, model.statedLength());
  }
}
