package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Learning rates, step by step, as Transformers' schedules give them. */
class ScheduleTest {
  private static final JsonNode CASES =
      Goldens.json(Path.of("src/test/resources/dev/attune/optim/schedules.json"));

  @Test
  void ratesAreThoseOfTransformers() {
    assertTrue(CASES.size() > 100);
    for (JsonNode item : CASES) {
      Schedule.Kind kind = Schedule.Kind.ofOption(item.get("kind").asText());
      Schedule schedule =
          new Schedule(
              kind,
              item.get("peak").asDouble(),
              item.get("warmup").asLong(),
              item.get("total").asLong(),
              kind.checked(parameters(item), item.get("peak").asDouble()));
      JsonNode rates = item.get("rates");
      for (int step = 0; step < rates.size(); step++) {
        double expected = rates.get(step).asDouble();
        assertEquals(expected, schedule.rate(step), 1e-6 * 3e-4, schedule + ", step " + step);
      }
    }
  }

  @Test
  void ratesThatFollowEvaluationsAreThoseOfTransformers() {
    JsonNode cases = Goldens.json(Path.of("src/test/resources/dev/attune/optim/plateaus.json"));
    assertEquals(24, cases.size());
    for (JsonNode item : cases) {
      Schedule.Kind kind = Schedule.Kind.ofOption(item.get("kind").asText());
      double peak = item.get("peak").asDouble();
      Map<String, Double> parameters = kind.checked(parameters(item), peak);
      Schedule schedule = new Schedule(kind, peak, 0, 40, parameters);
      EvaluatedRate rate = schedule.evaluated(item.get("mode").asText().equals("min"));
      assertEquals((float) peak, rate.rate());
      for (int i = 0; i < item.get("metrics").size(); i++) {
        EvaluatedRate resumed = schedule.evaluated(item.get("mode").asText().equals("min"));
        resumed.restore(rate.state());
        rate = resumed;
        rate.step(item.get("metrics").get(i).asDouble());
        double expected = item.get("rates").get(i).asDouble();
        assertEquals((float) expected, rate.rate(), kind + " " + item.get("parameters") + ", " + i);
      }
    }
    assertNull(new Schedule(Schedule.Kind.LINEAR, 1, 0, 1).evaluated(true));
  }

  private static Map<String, Double> parameters(JsonNode item) {
    Map<String, Double> parameters = new HashMap<>();
    item.get("parameters")
        .properties()
        .forEach(entry -> parameters.put(entry.getKey(), entry.getValue().asDouble()));
    return parameters;
  }

  @Test
  void withoutItsLengthTheDecayIsTheLastTenth() {
    Schedule schedule = new Schedule(Schedule.Kind.WARMUP_STABLE_DECAY, 1, 2, 40);
    assertEquals(0.5f, schedule.rate(1));
    assertEquals(1f, schedule.rate(35));
    assertEquals(1f, schedule.rate(36));
    assertEquals(0.5f, schedule.rate(38));
  }

  @Test
  void anUnknownKindIsRefusedWithThoseThereAre() {
    assertEquals(Schedule.Kind.COSINE, Schedule.Kind.ofOption("Cosine"));
    assertEquals(
        Schedule.Kind.CONSTANT_WITH_WARMUP, Schedule.Kind.ofOption("constant-with-warmup"));
    assertRefused(
        "'lars'; allowed are linear, cosine, cosine_with_restarts,",
        () -> Schedule.Kind.ofOption("lars"));
  }

  @Test
  void parametersThatAShapeDoesNotTakeOrCannotHaveAreRefused() {
    assertRefused(
        "power=2.0, which cosine does not take; it takes num_cycles",
        () -> Schedule.Kind.COSINE.checked(Map.of("power", 2.0), 1));
    for (Schedule.Kind kind : List.of(Schedule.Kind.REDUCE_LR_ON_PLATEAU, Schedule.Kind.GREEDY)) {
      assertRefused(
          "less or more is better follows from ‹metric for best model›",
          () -> kind.parsed(Map.of("mode", "max")));
    }
    assertRefused(
        "constant does not take; it takes none",
        () -> Schedule.Kind.CONSTANT.checked(Map.of("power", 2.0), 1));
    assertRefused(
        "power is NaN; it must be at least 0",
        () -> Schedule.Kind.POLYNOMIAL.checked(Map.of("power", Double.NaN), 1));
    assertRefused(
        "num_decay_steps is 0.0; it must be at least 1",
        () -> Schedule.Kind.WARMUP_STABLE_DECAY.checked(Map.of("num_decay_steps", 0.0), 1));
    assertRefused(
        "min_lr_rate is 1.5; it must be from 0 to 1",
        () -> Schedule.Kind.COSINE_WITH_MIN_LR.checked(Map.of("min_lr_rate", 1.5), 1));
    assertRefused(
        "lr_end is 0.001, above ‹learning rate› 2.0E-5",
        () -> Schedule.Kind.POLYNOMIAL.checked(Map.of("lr_end", 1e-3), 2e-5));
    assertRefused(
        "lr_end is 1.0E-7, above ‹learning rate› 1.0E-8",
        () -> Schedule.Kind.POLYNOMIAL.checked(Map.of(), 1e-8));
    assertRefused(
        "factor is 1.0; it must be from 0 to below 1",
        () -> Schedule.Kind.REDUCE_LR_ON_PLATEAU.checked(Map.of("factor", 1.0), 1));
    assertRefused(
        "patience is 1.5; it must be a whole number of at least 0",
        () -> Schedule.Kind.REDUCE_LR_ON_PLATEAU.checked(Map.of("patience", 1.5), 1));
    assertRefused("min_lr=X", () -> Schedule.Kind.COSINE_WITH_MIN_LR.checked(Map.of(), 1));
  }

  private static void assertRefused(String expected, Executable action) {
    String message = assertThrows(InputException.class, action).getMessage();
    assertTrue(message.contains(expected), message);
  }
}
