package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Learning rates, step by step, as Transformers' schedules give them. */
class ScheduleTest {
  private static final JsonNode CASES =
      Goldens.json(Path.of("src/test/resources/dev/attune/optim/schedules.json"));

  @Test
  void ratesAreThoseOfTransformers() {
    assertTrue(CASES.size() > 15);
    for (JsonNode item : CASES) {
      Schedule schedule =
          new Schedule(
              Schedule.Kind.ofOption(item.get("kind").asText()),
              item.get("peak").asDouble(),
              item.get("warmup").asLong(),
              item.get("total").asLong());
      JsonNode rates = item.get("rates");
      for (int step = 0; step < rates.size(); step++) {
        double expected = rates.get(step).asDouble();
        assertEquals(expected, schedule.rate(step), 1e-6 * 3e-4, schedule + ", step " + step);
      }
    }
  }

  @Test
  void anUnknownKindIsRefusedWithThoseThereAre() {
    assertEquals(Schedule.Kind.COSINE, Schedule.Kind.ofOption("Cosine"));
    InputException e =
        assertThrows(InputException.class, () -> Schedule.Kind.ofOption("polynomial"));
    assertTrue(e.getMessage().contains("'polynomial'"), e.getMessage());
    assertTrue(e.getMessage().contains("linear, cosine and constant"), e.getMessage());
  }
}
