package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TextMetricsTest {
  static List<JsonNode> cases() {
    List<JsonNode> out = new ArrayList<>();
    Goldens.resource("dev/attune/metrics/texts.json").forEach(out::add);
    return out;
  }

  private static TextMetrics of(JsonNode test, int begin, int step) {
    TextMetrics metrics = new TextMetrics();
    for (int i = begin; i < test.get("predictions").size(); i += step) {
      metrics.add(test.get("predictions").get(i).asText(), test.get("references").get(i).asText());
    }
    return metrics;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void valuesEqualThePythonLibraries(JsonNode test) {
    TextMetrics whole = of(test, 0, 1);
    for (Map.Entry<String, Double> value : whole.values().entrySet()) {
      assertEquals(
          test.get(value.getKey()).asDouble(),
          value.getValue(),
          1e-9,
          test.get("name").asText() + " " + value.getKey());
    }
    assertEquals(test.get("predictions").size(), whole.count());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void partsMergeToTheWhole(JsonNode test) {
    TextMetrics parts = of(test, 0, 2);
    parts.merge(of(test, 1, 2));
    of(test, 0, 1)
        .values()
        .forEach((name, value) -> assertEquals(value, parts.values().get(name), 1e-12, name));
  }

  @Test
  void bleuAndChrfEqualTheGoldens() throws IOException {
    Path golden = Path.of(System.getProperty("attune.goldens", "none"), "metrics", "golden.json");
    assumeTrue(Files.exists(golden), "the goldens folder is absent: -Dattune.goldens=DIR");
    int cases = 0;
    for (JsonNode test : new ObjectMapper().readTree(golden.toFile())) {
      if (test.get("kind").asText().equals("text")) {
        cases++;
        TextMetrics metrics = new TextMetrics();
        for (int i = 0; i < test.get("hypotheses").size(); i++) {
          metrics.add(
              test.get("hypotheses").get(i).asText(), test.get("references").get(i).asText());
        }
        assertEquals(test.get("bleu").asDouble(), metrics.values().get("bleu"), 1e-9);
        assertEquals(test.get("chrf").asDouble(), metrics.values().get("chrf"), 1e-9);
      }
    }
    assertEquals(1, cases);
  }

  @Test
  void theSummaryLevelExampleOfThePaper() {
    // Lin 2004, section 3.2: recall 4/5 of the reference's words, precision 4/10.
    TextMetrics metrics = new TextMetrics();
    metrics.add("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5");
    assertEquals(2 * 0.8 * 0.4 / 1.2, metrics.values().get("rougeLsum"), 1e-12);
  }

  @Test
  void nothingHasNoValues() {
    assertThrows(IllegalStateException.class, () -> new TextMetrics().values());
    assertThrows(IllegalStateException.class, () -> new NextTokenMetrics().values());
  }

  @Test
  void perplexityIsTheExponentialOfTheMeanOverTargets() {
    NextTokenMetrics metrics = new NextTokenMetrics();
    metrics.add(3 * Math.log(2), 3, 1);
    NextTokenMetrics other = new NextTokenMetrics();
    other.add(Math.log(32), 1, 1);
    other.add(0, 0, 0);
    metrics.merge(other);
    // (2 * 2 * 2 * 32) ^ (1/4) = 4.
    assertEquals(4, metrics.values().get("perplexity"), 1e-12);
    assertEquals(0.5, metrics.values().get("accuracy"));
    assertEquals(4, metrics.count());
    assertThrows(IllegalArgumentException.class, () -> metrics.add(1, 2, 3));
  }
}
