package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.optim.Schedule;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Evaluations.When;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What options say is checked before anything is read. */
class TrainPlanTest {
  private static TrainPlan plan(String... namesAndValues) {
    RunConfig.Builder builder =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.MODEL, "nowhere")
            .set(RunOption.OUTPUT_DIR, "nowhere");
    for (int i = 0; i < namesAndValues.length; i += 2) {
      builder.set(namesAndValues[i], namesAndValues[i + 1], "test");
    }
    return TrainPlan.of(builder.build());
  }

  private static String refusal(String... namesAndValues) {
    InputException e = assertThrows(InputException.class, () -> plan(namesAndValues));
    return RunOption.worded(e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({
    "weight-decay, -5, must be from 0.0 to",
    "weight-decay, 1e300, must be from 0.0 to",
    "weight-decay, NaN, not a number",
    "adam-beta1, 1, below 1",
    "adam-beta2, -0.1, from 0 to below 1",
    "adam-epsilon, 0, must be from",
    "adam-epsilon, 1e-60, must be from",
    "learning-rate, 0, above 0",
    "epochs, 0, above 0",
    "epochs, 1e300, at most 1000000",
    "warmup-steps, -2, at least 0",
    "max-grad-norm, 1e999, finite",
    "max-length, 0, at least 1",
    "threads, -2, allowed are 1 to 4096",
    "precision, fp64, allowed are auto",
    "backend, tpu, allowed are auto",
    "optimizer, lion, 'allowed are adamw, adamw-bf16, adamw-8bit and sgd'",
    "sgd-momentum, NaN, not a number",
    "sgd-momentum, 1, from 0 to below 1",
    "logging-steps, 0, at least 1",
    "eval-strategy, never, 'allowed are no, epoch and steps'",
    "eval-strategy, steps, needs --eval-steps",
    "lr-scheduler-kwargs, power, NAME=X",
    "lr-scheduler-kwargs, 'power=1', linear does not take",
  })
  void aBadValueIsRefusedByItsOption(String option, String value, String expected) {
    String message = refusal(option, value);
    assertTrue(message.contains("--" + option), message);
    assertTrue(message.contains(expected), message);
  }

  @Test
  void optionsThatContradictEachOtherAreRefused() {
    assertTrue(
        refusal("lr-scheduler", "constant", "warmup-steps", "5").contains("constant_with_warmup"));
    assertTrue(
        refusal("eval-strategy", "epoch", "eval-steps", "5")
            .contains("--eval-strategy epoch does not go with --eval-steps 5"));
    assertTrue(refusal("optimizer", "sgd", "sgd-momentum", "1").contains("--sgd-momentum is 1.0"));
    assertTrue(
        refusal("lr-scheduler", "polynomial", "lr-scheduler-kwargs", "power=1,power=2")
            .contains("gives power twice"));
  }

  @Test
  void constantHasNoWarmupThoughTheDefaultIsOne() {
    Schedule schedule = plan("lr-scheduler", "constant").trainer().rates().over(100);
    assertEquals(2e-5f, schedule.rate(0));
    Schedule warming = plan("lr-scheduler", "constant_with_warmup").trainer().rates().over(100);
    assertEquals(0f, warming.rate(0));
  }

  @Test
  void numbersOfTheScheduleReachIt() {
    Schedule schedule =
        plan("lr_scheduler_type", "polynomial", "lr_scheduler_kwargs", "power=2, lr_end=1e-6")
            .trainer()
            .rates()
            .over(100);
    assertEquals(Map.of("power", 2.0, "lr_end", 1e-6), schedule.parameters());
  }

  @Test
  void aPartOfAnEpochIsRoundedUpToSteps() {
    assertEquals(12, plan("epochs", "0.5").trainer().totalSteps(23));
    assertEquals(22, plan("epochs", "2.2").trainer().totalSteps(10));
    assertEquals(69, plan().trainer().totalSteps(23));
    assertEquals(1, plan("epochs", "1e-6").trainer().totalSteps(23));
    assertEquals(7, plan("epochs", "0.5", "max-steps", "7").trainer().totalSteps(23));
  }

  @Test
  void theBestWeightsAreKeptWhereAMetricOrPatienceIsNamed() {
    assertFalse(plan().trainer().evaluations().keepsBest());
    assertTrue(plan("load-best-model-at-end", "true").trainer().evaluations().keepsBest());
    assertTrue(plan("metric-for-best-model", "loss").trainer().evaluations().keepsBest());
    assertTrue(plan("early-stopping-patience", "2").trainer().evaluations().keepsBest());
    assertEquals("loss", plan().trainer().evaluations().bestMetric());
  }

  @Test
  void theStrategyOfEvaluationsFollowsFromTheirSteps() {
    assertEquals(When.EPOCH, plan().trainer().evaluations().when());
    Evaluations steps = plan("eval-steps", "5").trainer().evaluations();
    assertEquals(When.STEPS, steps.when());
    assertEquals(steps, plan("eval-steps", "5", "eval-strategy", "steps").trainer().evaluations());
    assertEquals(When.NO, plan("eval-strategy", "no").trainer().evaluations().when());
  }

  @Test
  void aConfigFileGivesEachOptionOnceWithAValue() {
    for (String yaml : List.of("epochs: 1\nepochs: 2\n", "learning_rate: 1e-5\nlr: 1\n")) {
      assertThrows(
          InputException.class,
          () -> RunConfig.builder(CommandOptions.TRAIN).setAll(yaml, "a.yaml"),
          yaml);
    }
    for (String yaml : List.of("output_dir:\n", "seed: null\n")) {
      InputException e =
          assertThrows(
              InputException.class,
              () -> RunConfig.builder(CommandOptions.TRAIN).setAll(yaml, "a.yaml"),
              yaml);
      assertTrue(e.getMessage().contains("has no value; leave it out"), e.getMessage());
    }
  }
}
