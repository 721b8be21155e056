package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.OtherVersionException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.run.RunIdentity.Fact;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Each fact of a run that differs is named, with both values. */
class RunIdentityTest {
  private static Map<Fact, String> facts() {
    Map<Fact, String> facts = new EnumMap<>(Fact.class);
    for (Fact fact : Fact.values()) {
      facts.put(fact, "value of " + fact);
    }
    return facts;
  }

  private static RunConfig config(String model) {
    return RunConfig.builder(CommandOptions.TRAIN).set(RunOption.MODEL, model).build();
  }

  private static ObjectNode state() {
    ObjectNode state = JsonNodeFactory.instance.objectNode();
    new RunIdentity(config("here"), facts()).writeTo(state);
    return state;
  }

  @Test
  void theSameUnderAnotherNameIsTheSame() {
    new RunIdentity(config("there"), facts()).checkSame(state());
  }

  @Test
  void everyFactCounts() {
    for (Fact fact : Fact.values()) {
      Map<Fact, String> now = facts();
      now.put(fact, "another");
      RunIdentity other = new RunIdentity(config("there"), now);
      String message =
          assertThrows(InputException.class, () -> other.checkSame(state())).getMessage();
      assertTrue(message.contains("value of " + fact), message);
      assertTrue(message.contains("another"), message);
      ObjectNode silent = state();
      ((ObjectNode) silent.path("identity")).removeAll();
      String older =
          assertThrows(
                  InputException.class,
                  () -> new RunIdentity(config("here"), facts()).checkSame(silent))
              .getMessage();
      assertTrue(older.contains("it was begun with another version of Attune"), older);
    }
  }

  /** It learns other data from the same rows, and giving the file as it was would not help. */
  @Test
  void anotherVersionIsToldBeforeOtherData() {
    ObjectNode older = state();
    ((ObjectNode) older.path("identity"))
        .put("training_data", "without sentences")
        .remove("label_template");
    RunIdentity now = new RunIdentity(config("here"), facts());
    assertThrows(OtherVersionException.class, () -> now.checkSame(older));
  }

  /** The rate of adapters is another than that of all weights, without being given. */
  @Test
  void theOptionThatWasGivenIsNamedBeforeWhatFollowsFromIt() {
    RunIdentity other = new RunIdentity(config("here").with(RunOption.LORA_R, "4"), facts());
    String message =
        assertThrows(InputException.class, () -> other.checkSame(state())).getMessage();
    assertTrue(message.contains(RunOption.LORA_R.toString()), message);
    assertTrue(!message.contains(RunOption.LEARNING_RATE.toString()), message);
  }

  /** Where the best weights are kept, what evaluations see decides which those are. */
  @Test
  void whatChoosesTheBestWeightsStaysWhereTheyAreKept() {
    for (RunOption keeps :
        List.of(
            RunOption.LOAD_BEST_MODEL_AT_END,
            RunOption.METRIC_FOR_BEST_MODEL,
            RunOption.EARLY_STOPPING_PATIENCE)) {
      String value =
          keeps == RunOption.METRIC_FOR_BEST_MODEL ? "accuracy" : keeps.isFlag() ? "true" : "2";
      ObjectNode state = JsonNodeFactory.instance.objectNode();
      new RunIdentity(config("here").with(keeps, value), facts()).writeTo(state);
      RunIdentity other =
          new RunIdentity(
              config("here").with(keeps, value).with(RunOption.EVAL_STEPS, "7"), facts());
      String message =
          assertThrows(InputException.class, () -> other.checkSame(state)).getMessage();
      assertTrue(message.contains(RunOption.EVAL_STEPS.toString()), message);
    }
    new RunIdentity(config("here").with(RunOption.EVAL_STEPS, "7"), facts()).checkSame(state());
  }

  /** Evaluations are what a cross-validation is for. */
  @Test
  void whatEvaluationsFindStaysInACrossValidation() {
    RunConfig folds = config("here").with(RunOption.K_FOLD, "3");
    ObjectNode state = JsonNodeFactory.instance.objectNode();
    new RunIdentity(folds, facts()).writeTo(state);
    new RunIdentity(folds, facts()).checkSame(state);
    Map<RunOption, String> others =
        Map.of(
            RunOption.EVALUATE_WITH,
            "generate",
            RunOption.MAX_NEW_TOKENS,
            "7",
            RunOption.STOP,
            ".",
            RunOption.EVAL_STEPS,
            "7");
    for (Map.Entry<RunOption, String> other : others.entrySet()) {
      RunIdentity now = new RunIdentity(folds.with(other.getKey(), other.getValue()), facts());
      String message = assertThrows(InputException.class, () -> now.checkSame(state)).getMessage();
      assertTrue(message.contains(other.getKey().toString()), message);
    }
  }

  @Test
  void theInstructionSetCountsAndTheThreadsDoNot() {
    try (CpuBackend one = new CpuBackend(1, Isa.PORTABLE);
        CpuBackend two = new CpuBackend(2, Isa.PORTABLE)) {
      assertEquals("cpu, portable", one.arithmetic());
      assertEquals(one.arithmetic(), two.arithmetic());
    }
  }
}
