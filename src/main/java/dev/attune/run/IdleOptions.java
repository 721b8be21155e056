package dev.attune.run;

import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.optim.Schedule;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Options that would do nothing beside the others that were given: one table, for all commands. Who
 * gives one means something by it, and is told by its name that nothing would come of it. What a
 * task has no use for, tasks know themselves; bounds that are not reached are no such options.
 */
public final class IdleOptions {
  /**
   * A row of the table.
   *
   * @param options of which it is
   * @param isIdle whether the others leave them nothing to do
   * @param isAsked whether the value that one has asks for anything
   * @param why what follows its name
   */
  private record Rule(
      List<RunOption> options,
      Predicate<RunConfig> isIdle,
      BiPredicate<RunConfig, RunOption> isAsked,
      Function<RunConfig, String> why) {

    void check(RunConfig config, RunConfig begun) {
      for (RunOption option : options) {
        boolean isAsked =
            config.isGiven(option)
                && !(option.isFlag() && !config.flag(option))
                && this.isAsked.test(config, option);
        if (isAsked && isIdle.test(config) && !wasIdle(config, begun, option)) {
          throw new InputException(option + why.apply(config));
        }
      }
    }

    private boolean wasIdle(RunConfig config, RunConfig begun, RunOption option) {
      return begun != null && config.agrees(begun, option) && isIdle.test(begun);
    }
  }

  /** What shapes adapters. */
  static final List<RunOption> OF_ADAPTERS =
      List.of(
          RunOption.LORA_ALPHA,
          RunOption.LORA_DROPOUT,
          RunOption.LORA_TARGETS,
          RunOption.LORA_EXCLUDE_MODULES,
          RunOption.LORA_LAYERS,
          RunOption.LORA_RANK_PATTERN,
          RunOption.LORA_ALPHA_PATTERN,
          RunOption.LORA_MODULES_TO_SAVE,
          RunOption.LORA_TRAINABLE_TOKEN_INDICES,
          RunOption.LORA_BIAS,
          RunOption.INIT_LORA_WEIGHTS,
          RunOption.USE_RSLORA,
          RunOption.USE_DORA);

  /** What says how a file is read. */
  private static final List<RunOption> OF_FILES =
      List.of(
          RunOption.COLUMNS,
          RunOption.FORMAT,
          RunOption.ENCODING,
          RunOption.DELIMITER,
          RunOption.QUOTING,
          RunOption.SKIP_BAD_ROWS);

  private static final List<RunOption> OF_CHOICE =
      List.of(RunOption.TEMPERATURE, RunOption.TOP_K, RunOption.TOP_P, RunOption.MIN_P);

  /** Whether a model is an adapter, which needs no rank to be one, is known once it is open. */
  private static final Rule WITHOUT_ADAPTERS =
      needs(RunOption.LORA_R.toString(), c -> c.smallInteger(RunOption.LORA_R) == 0, OF_ADAPTERS);

  private static final List<Rule> RULES =
      Stream.of(ofOptimizers(), ofSchedules(), ofTraining(), ofGeneration(), ofBenchmarks())
          .flatMap(List::stream)
          .toList();

  private IdleOptions() {}

  /**
   * Refuses options that would do nothing.
   *
   * @throws InputException naming the first
   */
  public static void check(RunConfig config) {
    check(config, null);
  }

  /**
   * The same of a run that may go on, with what did nothing before: it was begun by a version that
   * did not look.
   *
   * @param begun the options that it was begun with; null: it begins
   */
  static void check(RunConfig config, RunConfig begun) {
    RULES.forEach(rule -> rule.check(config, begun));
  }

  /** Refuses what shapes adapters, where there are none, as {@link #check} does. */
  static void checkWithoutAdapters(RunConfig config, RunConfig begun) {
    WITHOUT_ADAPTERS.check(config, begun);
  }

  private static List<Rule> ofOptimizers() {
    return List.of(
        beside(
            config -> !isSgd(config),
            config -> is(RunOption.OPTIMIZER.with("sgd"), config),
            List.of(RunOption.SGD_MOMENTUM)),
        beside(
            IdleOptions::isSgd,
            config -> is(RunOption.OPTIMIZER.with("adamw"), config),
            List.of(RunOption.ADAM_BETA1, RunOption.ADAM_BETA2, RunOption.ADAM_EPSILON)),
        beside(
            config -> config.flag(RunOption.FREEZE_BASE),
            config ->
                " is of the layers, all of which "
                    + RunOption.FREEZE_BASE
                    + " keeps as they are; leave one of the two out",
            List.of(RunOption.LAYER_LR_DECAY)));
  }

  private static boolean isSgd(RunConfig config) {
    return config.text(RunOption.OPTIMIZER).equals("sgd");
  }

  private static String is(String wanted, RunConfig config) {
    return " is of "
        + wanted
        + ", and the optimizer is "
        + config.text(RunOption.OPTIMIZER)
        + "; leave it out";
  }

  private static List<Rule> ofSchedules() {
    return List.of(
        new Rule(
            List.of(RunOption.WARMUP_STEPS, RunOption.WARMUP_RATIO),
            config -> !schedule(config).hasWarmup(),
            (config, option) -> config.number(option) > 0,
            config ->
                " does nothing: "
                    + RunOption.LR_SCHEDULER.with(schedule(config).option())
                    + " has no warmup; "
                    + (schedule(config) == Schedule.Kind.CONSTANT
                        ? Schedule.Kind.CONSTANT_WITH_WARMUP.option() + " has one"
                        : "leave it out")),
        new Rule(
            List.of(RunOption.WARMUP_RATIO),
            config -> config.integer(RunOption.WARMUP_STEPS) >= 0,
            (config, option) -> config.number(option) > 0 && !isDefault(config, option),
            config ->
                " is "
                    + config.text(RunOption.WARMUP_RATIO)
                    + ", but "
                    + RunOption.WARMUP_STEPS
                    + " is "
                    + config.text(RunOption.WARMUP_STEPS)
                    + ", and counts in its place; leave one of the two out"));
  }

  private static Schedule.Kind schedule(RunConfig config) {
    return Schedule.Kind.ofOption(config.text(RunOption.LR_SCHEDULER));
  }

  private static List<Rule> ofTraining() {
    return List.of(
        needs(
            RunOption.K_FOLD.toString(),
            config -> config.integer(RunOption.K_FOLD) == 0,
            List.of(RunOption.KEEP_FOLD_MODELS)),
        needs(
            RunOption.STREAMING.toString(),
            config -> !config.flag(RunOption.STREAMING),
            List.of(RunOption.SHUFFLE_BUFFER_SIZE)),
        needs(
            RunOption.INTERLEAVE_PROBS.toString(),
            config -> !config.isGiven(RunOption.INTERLEAVE_PROBS),
            List.of(RunOption.STOPPING_STRATEGY)),
        needs(
            RunOption.EVALUATE_WITH.with("generate"),
            config ->
                config.knows(RunOption.EVALUATE_WITH)
                    && EvaluationWay.of(config) != EvaluationWay.GENERATE,
            List.of(RunOption.MAX_NEW_TOKENS, RunOption.STOP, RunOption.STREAMS)),
        new Rule(
            List.of(RunOption.METRICS_PORT),
            config -> !Reporting.places(config).contains(Reporting.Place.OPENMETRICS),
            (config, option) -> config.integer(option) > 0,
            config -> " needs " + RunOption.REPORT_TO.with("openmetrics")));
  }

  private static List<Rule> ofGeneration() {
    return List.of(
        needs(
            RunOption.ZERO_SHOT.toString(),
            config -> config.knows(RunOption.ZERO_SHOT) && !config.flag(RunOption.ZERO_SHOT),
            List.of(RunOption.TEMPERATURE)),
        new Rule(
            List.of(RunOption.LOAD_IN_BF16),
            config -> narrower(config) != null,
            (config, option) -> true,
            config ->
                " and " + narrower(config) + " say how weights are held; leave one of the two out"),
        needs(
            RunOption.CHAT + " or " + RunOption.INTERACTIVE,
            config -> !config.flag(RunOption.CHAT) && !config.flag(RunOption.INTERACTIVE),
            List.of(RunOption.SYSTEM)),
        needs(
            RunOption.LOGPROBS.toString(),
            config -> !config.flag(RunOption.LOGPROBS),
            List.of(RunOption.TOP_LOGPROBS)),
        needs(
            RunOption.NUM_BEAMS + " of 2 or more",
            config -> config.integer(RunOption.NUM_BEAMS) < 2,
            List.of(RunOption.LENGTH_PENALTY)),
        beside(
            config -> config.knows(RunOption.PROMPT) && isGreedy(config),
            config ->
                " decides what is drawn, and nothing is: every token is the most probable one."
                    + " Leave it out, or ask for a choice, as "
                    + RunOption.TEMPERATURE.with("0.7")
                    + " does",
            List.of(RunOption.SEED)),
        beside(
            IdleOptions::hasOnePrompt,
            config -> " needs " + RunOption.PROMPTS + ": there is one prompt at a time",
            List.of(RunOption.STREAMS)),
        needs(RunOption.PROMPTS.toString(), IdleOptions::hasOnePrompt, with(RunOption.OUTPUT)));
  }

  private static RunOption narrower(RunConfig config) {
    return Stream.of(RunOption.LOAD_IN_4BIT, RunOption.LOAD_IN_8BIT)
        .filter(config::flag)
        .findFirst()
        .orElse(null);
  }

  private static boolean isGreedy(RunConfig config) {
    return config.isGiven(RunOption.TEMPERATURE)
        ? config.number(RunOption.TEMPERATURE) == 0
        : OF_CHOICE.stream().noneMatch(config::isGiven);
  }

  private static boolean hasOnePrompt(RunConfig config) {
    return config.knows(RunOption.PROMPTS) && !config.isGiven(RunOption.PROMPTS);
  }

  private static List<Rule> ofBenchmarks() {
    List<RunOption> ofTraining =
        new ArrayList<>(
            List.of(
                RunOption.MODEL,
                RunOption.FILE,
                RunOption.BATCH_SIZE,
                RunOption.MAX_STEPS,
                RunOption.MAX_LENGTH,
                RunOption.FIXED_LENGTH,
                RunOption.LORA_R,
                RunOption.GRADIENT_CHECKPOINTING,
                RunOption.DROPOUT,
                RunOption.SEED));
    ofTraining.addAll(OF_ADAPTERS);
    return List.of(
        needs(
            RunOption.FILE.toString(),
            config -> isBenchmark(config) && config.texts(RunOption.FILE).isEmpty(),
            OF_FILES),
        needs(
            RunOption.STREAMS + ": it is for generation",
            config -> isBenchmark(config) && !config.isGiven(RunOption.STREAMS),
            List.of(
                RunOption.MAX_NEW_TOKENS,
                RunOption.PROMPT_LOOKUP_NUM_TOKENS,
                RunOption.LOAD_IN_BF16)),
        needs(
            "training to be timed, and "
                + RunOption.STREAMS
                + " asks for the time of generation; leave one of the two out",
            config -> isBenchmark(config) && config.isGiven(RunOption.STREAMS),
            ofTraining),
        needs(
            RunOption.FILE + " beside " + RunOption.SHAPE + ", whose weights are random ones",
            config ->
                isBenchmark(config)
                    && config.isGiven(RunOption.SHAPE)
                    && config.texts(RunOption.FILE).isEmpty(),
            List.of(RunOption.MODEL)));
  }

  private static boolean isBenchmark(RunConfig config) {
    return config.knows(RunOption.SHAPE);
  }

  /** With what says how a file is read. */
  private static List<RunOption> with(RunOption option) {
    return Stream.concat(Stream.of(option), OF_FILES.stream()).toList();
  }

  /** Of options that ask for something by whatever value. */
  private static Rule needs(String what, Predicate<RunConfig> isIdle, List<RunOption> options) {
    return new Rule(options, isIdle, (config, option) -> true, config -> " needs " + what);
  }

  /** Of options that ask for nothing by their default, which a file of all options may hold. */
  private static Rule beside(
      Predicate<RunConfig> isIdle, Function<RunConfig, String> why, List<RunOption> options) {
    return new Rule(options, isIdle, (config, option) -> !isDefault(config, option), why);
  }

  private static boolean isDefault(RunConfig config, RunOption option) {
    String value = config.text(option);
    String usual = option.defaultValue();
    return value.equals(usual)
        || usual != null && DecimalText.number(value) == DecimalText.number(usual);
  }
}
