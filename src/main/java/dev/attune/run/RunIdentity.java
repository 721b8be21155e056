package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.RunOption.OnResume;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
    TRAINING_DATA("training data, as tokenised,", RunOption.TRAIN_FILE),
    VALIDATION_DATA("validation data, as tokenised,", RunOption.VALIDATION_FILE),
    PRECISION("precision", RunOption.PRECISION),
    BACKEND("backend", RunOption.BACKEND);

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

  private static final String OPTIONS = "config";
  private static final String FACTS = "identity";

  private final RunConfig config;
  private final Map<Fact, String> facts;

  RunIdentity(RunConfig config, Map<Fact, String> facts) {
    this.config = config;
    this.facts = new EnumMap<>(facts);
  }

  /** Notes it in a checkpoint's state. */
  void writeTo(ObjectNode state) {
    state.put(OPTIONS, config.toYaml());
    ObjectNode values = state.putObject(FACTS);
    facts.forEach((fact, value) -> values.put(fact.key(), value));
  }

  /**
   * Compares with what a checkpoint's state notes.
   *
   * @throws InputException naming what differs, both values, and what to do
   */
  void checkSame(JsonNode state) {
    RunConfig earlier =
        RunConfig.builder(RunOption.TRAIN)
            .setAll(state.path(OPTIONS).asText(), "checkpoint")
            .build();
    boolean evaluationsCount =
        TrainPlan.evaluations(earlier).keepsBest() || TrainPlan.followsEvaluations(earlier);
    for (RunOption option : RunOption.TRAIN) {
      boolean stays =
          option.onResume() == OnResume.STAYS
              || evaluationsCount && option.onResume() == OnResume.STAYS_WHERE_EVALUATIONS_COUNT;
      if (stays && !config.agrees(earlier, option)) {
        throw differs(option.toString(), shown(earlier, option), shown(config, option), option);
      }
    }
    for (Fact fact : Fact.values()) {
      String was = state.path(FACTS).path(fact.key()).asText("unknown");
      String now = facts.get(fact);
      if (!was.equals(now)) {
        throw differs(
            "the " + fact.words,
            described(earlier, fact, was),
            described(config, fact, now),
            fact.option);
      }
    }
  }

  private static String shown(RunConfig config, RunOption option) {
    List<String> values =
        option.isList() ? config.texts(option) : Stream.ofNullable(config.text(option)).toList();
    return values.isEmpty() ? "not given" : String.join(", ", values);
  }

  /**
   * Content with its name: two names may be the same, so may be one name's content at two times.
   */
  private static String described(RunConfig config, Fact fact, String value) {
    boolean isName = fact == Fact.PRECISION || fact == Fact.BACKEND;
    return isName ? value : shown(config, fact.option) + " (content " + value + ")";
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
