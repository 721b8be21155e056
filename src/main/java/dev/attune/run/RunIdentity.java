package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.OtherVersionException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.RunOption.OnResume;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a run is: its options, and by content what they stand for. A resume must find the same, or
 * it would go on with other numbers than the run was begun with.
 */
final class RunIdentity {
  /** What is compared by content, with the option that chooses it. */
  enum Fact {
    BASE_MODEL("base model", RunOption.MODEL),
    TOKENIZER("tokenizer", RunOption.MODEL),
    /** Where there are some. */
    ADDED_TOKENS("list of tokens to add", RunOption.ADD_TOKENS),
    /** Where another model writes what is learned from. */
    GENERATOR("generator", RunOption.GENERATOR),
    TRAINING_DATA("training data, as tokenised,", RunOption.TRAIN_FILE),
    /** Where training data are compared as they are read, before labels have these names. */
    LABEL_NAMES("list of label names", RunOption.LABEL_NAMES),
    /** Where sentences of labels are learned too, as it follows from labels unless it is given. */
    LABEL_TEMPLATE("label template", RunOption.LABEL_TEMPLATE),
    VALIDATION_DATA("validation data, as tokenised,", RunOption.VALIDATION_FILE),
    /** Where evaluations generate: it says what ends texts, and what they may not hold. */
    GENERATION("generation_config.json of the base model", RunOption.MODEL),
    PRECISION("precision", RunOption.PRECISION),
    BACKEND("backend", RunOption.BACKEND); // with the instruction set of the CPU's kernels

    private final String words;
    private final RunOption option;

    Fact(String words, RunOption option) {
      this.words = words;
      this.option = option;
    }

    private String key() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final String FACTS = "identity";
  private static final String FIRST_ROWS = "first_rows";

  private final RunConfig config;
  private final Map<Fact, String> facts;
  private final int firstRows;

  RunIdentity(RunConfig config, Map<Fact, String> facts) {
    this(config, facts, 0);
  }

  /**
   * @param firstRows of training data that are a stream, whose content is compared; 0: they are
   *     none
   */
  RunIdentity(RunConfig config, Map<Fact, String> facts, int firstRows) {
    this.config = config;
    this.firstRows = firstRows;
    this.facts = new EnumMap<>(facts);
  }

  /** Notes it in a checkpoint's state. */
  void writeTo(ObjectNode state) {
    state.put(BegunRun.OPTIONS, config.toYaml());
    writeFactsTo(state.putObject(FACTS));
    if (firstRows > 0) {
      state.put(FIRST_ROWS, firstRows);
    }
  }

  /** How many rows of a stream a checkpoint's state compares; the other number if it is silent. */
  static int firstRows(JsonNode state, int otherwise) {
    return state.path(FIRST_ROWS).asInt(otherwise);
  }

  /** Notes what is compared by content, by its name. */
  void writeFactsTo(ObjectNode values) {
    facts.forEach((fact, value) -> values.put(fact.key(), value));
  }

  /**
   * Compares with what a checkpoint's state notes.
   *
   * @throws InputException naming what differs, both values, and what to do
   */
  void checkSame(JsonNode state) {
    RunConfig earlier = BegunRun.options(state);
    boolean evaluationsCount =
        TrainPlan.evaluations(earlier).keepsBest()
            || TrainPlan.followsEvaluations(earlier)
            || earlier.smallInteger(RunOption.K_FOLD) != 0; // they are what it is for
    // A usual value may follow from another option: the one that was given is the one to name.
    Optional<RunOption> changed =
        CommandOptions.TRAIN.stream()
            .filter(option -> stays(option, evaluationsCount) && !config.agrees(earlier, option))
            .min(Comparator.comparing(option -> !config.isGiven(option)));
    if (changed.isPresent()) {
      RunOption option = changed.get();
      throw differs(option.toString(), shown(earlier, option), shown(config, option), option);
    }
    // Another version learns other data from the same rows: this is asked first.
    for (Fact fact : facts.keySet()) {
      if (!state.path(FACTS).has(fact.key())) {
        throw new OtherVersionException(
            RunOption.RESUME
                + " goes on with the run as it was begun, but its checkpoint does not say what the "
                + fact.words
                + " was: it was begun with another version of Attune. Go on with that one, or give "
                + RunOption.OVERWRITE
                + " in place of "
                + RunOption.RESUME
                + " to begin again");
      }
    }
    for (Fact fact : facts.keySet()) {
      String was = state.path(FACTS).path(fact.key()).asText();
      String now = facts.get(fact);
      if (!was.equals(now)) {
        throw differs(
            "the " + fact.words,
            described(earlier, fact, was),
            described(config, fact, now) + readOtherwise(earlier, fact),
            isOtherLevel(was, now) ? RunOption.ISA : given(fact.option));
      }
    }
  }

  private static boolean stays(RunOption option, boolean evaluationsCount) {
    return option.onResume() == OnResume.STAYS
        || evaluationsCount && option.onResume() == OnResume.STAYS_WHERE_EVALUATIONS_COUNT;
  }

  /** The options that say how content is read and are not as they were; empty: there is none. */
  private String readOtherwise(RunConfig earlier, Fact fact) {
    String others =
        CommandOptions.TRAIN.stream()
            .filter(option -> option.onResume() == OnResume.BY_CONTENT)
            .filter(option -> option != fact.option && !config.agrees(earlier, option))
            .map(
                option ->
                    option + " was " + shown(earlier, option) + " and is " + shown(config, option))
            .collect(Collectors.joining("; "));
    return others.isEmpty() ? "" : " (" + others + ")";
  }

  private static boolean isOtherLevel(String was, String now) {
    return CpuBackend.levelOf(was).isPresent() && CpuBackend.levelOf(now).isPresent();
  }

  /**
   * What a run that goes on computes with, where its options leave that open: as it was begun.
   *
   * @param state of its checkpoint
   */
  static Compute goingOn(Compute compute, JsonNode state) {
    String arithmetic = state.path(FACTS).path(Fact.BACKEND.key()).asText("");
    String precision = state.path(FACTS).path(Fact.PRECISION.key()).asText("auto");
    return compute.goingOn(arithmetic, precision);
  }

  /**
   * Compares the run's length with what a checkpoint's state notes: it may have grown.
   *
   * @param batchesPerEpoch of the training data
   * @param note hears that it has
   * @throws InputException if it has become shorter
   */
  void checkLength(JsonNode state, long batchesPerEpoch, Consumer<String> note) {
    RunConfig earlier = BegunRun.options(state);
    RunConfig before =
        config
            .with(RunOption.EPOCHS, earlier.text(RunOption.EPOCHS))
            .with(RunOption.MAX_STEPS, earlier.text(RunOption.MAX_STEPS));
    long was = TrainPlan.trainer(before).totalSteps(batchesPerEpoch);
    long now = TrainPlan.trainer(config).totalSteps(batchesPerEpoch);
    if (now < was) {
      RunOption option =
          config.agrees(earlier, RunOption.MAX_STEPS) ? RunOption.EPOCHS : RunOption.MAX_STEPS;
      throw new InputException(
          RunOption.RESUME
              + " goes on with a run of "
              + Count.many(was, "step")
              + ", but "
              + option
              + " was "
              + shown(earlier, option)
              + " and is now "
              + shown(config, option)
              + ": "
              + Count.many(now, "step")
              + ". A run may become longer, not shorter: give at least as much, or "
              + RunOption.OVERWRITE
              + " in place of "
              + RunOption.RESUME
              + " to begin again");
    }
    if (now > was) {
      note.accept(
          "the run was of "
              + Count.many(was, "step")
              + " and is now of "
              + now
              + "; from here on the learning rate is that of a run of "
              + now);
    }
  }

  /** Refuses another length than a state notes. */
  void checkSameLength(JsonNode state) {
    RunConfig earlier = BegunRun.options(state);
    for (RunOption option : CommandOptions.TRAIN) {
      if (option.onResume() == OnResume.MAY_GROW && !config.agrees(earlier, option)) {
        throw differs(option.toString(), shown(earlier, option), shown(config, option), option);
      }
    }
  }

  /**
   * The option that chose what is compared: validation data may be a share of the training file.
   */
  private RunOption given(RunOption option) {
    boolean isShare =
        option == RunOption.VALIDATION_FILE
            && !config.isGiven(option)
            && config.isGiven(RunOption.VALIDATION_SPLIT);
    return isShare ? RunOption.VALIDATION_SPLIT : option;
  }

  private static String shown(RunConfig config, RunOption option) {
    List<String> values =
        option.isList() ? config.texts(option) : Stream.ofNullable(config.text(option)).toList();
    return values.isEmpty() ? "not given" : String.join(", ", values);
  }

  /**
   * Content with its name: two names may be the same, so may be one name's content at two times.
   */
  private String described(RunConfig of, Fact fact, String value) {
    boolean isName = fact == Fact.PRECISION || fact == Fact.BACKEND || fact == Fact.LABEL_TEMPLATE;
    return isName ? value : shown(of, given(fact.option)) + " (content " + value + ")";
  }

  private static InputException differs(String what, String was, String now, RunOption option) {
    return new InputException(
        RunOption.RESUME
            + " goes on with the run as it was begun, but "
            + what
            + " was "
            + was
            + " and is now "
            + now
            + ". Give "
            + option
            + " as it was, or "
            + RunOption.OVERWRITE
            + " in place of "
            + RunOption.RESUME
            + " to begin again");
  }
}
