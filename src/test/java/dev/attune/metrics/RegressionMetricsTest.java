package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.testkit.Goldens;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RegressionMetricsTest {
  @Test
  void valuesEqualSciPys() throws Exception {
    for (JsonNode test : read("regression.json")) {
      RegressionMetrics whole = new RegressionMetrics();
      RegressionMetrics[] parts = {
        new RegressionMetrics(), new RegressionMetrics(), new RegressionMetrics()
      };
      for (int i = 0; i < test.path("labels").size(); i++) {
        double label = test.path("labels").get(i).asDouble();
        double prediction = test.path("predictions").get(i).asDouble();
        whole.add(label, prediction);
        parts[i % 2].add(label, prediction); // the third stays empty
      }
      // Values near 1e6 with spread 1 cost a running mean six digits.
      double tolerance = test.path("name").asText().equals("offset") ? 1e-9 : 1e-12;
      check(test, whole.values(), tolerance);
      parts[2].merge(parts[0]);
      parts[2].merge(parts[1]);
      check(test, parts[2].values(), tolerance);
    }
  }

  private static void check(JsonNode test, Map<String, Double> values, double tolerance) {
    for (String key : new String[] {"mse", "mae", "pearson", "spearman"}) {
      double expected = test.path(key).asDouble(Double.NaN); // null in the file: undefined
      assertEquals(
          expected,
          values.get(key),
          Double.isNaN(expected) ? 0.1 : tolerance * Math.max(1, Math.abs(expected)),
          test.path("name").asText() + " " + key);
    }
  }

  @Test
  void kappaOfGradesEqualsScikitLearns() throws Exception {
    for (JsonNode test : read("grades.json")) {
      RegressionMetrics whole = new RegressionMetrics();
      RegressionMetrics[] parts = {new RegressionMetrics(), new RegressionMetrics()};
      for (int i = 0; i < test.path("labels").size(); i++) {
        double label = test.path("labels").get(i).asDouble();
        double prediction = test.path("predictions").get(i).asDouble();
        whole.add(label, prediction);
        parts[i % 2].add(label, prediction);
      }
      parts[0].merge(parts[1]);
      double expected = test.path("qwk").asDouble(Double.NaN); // null in the file: undefined
      String name = test.path("name").asText();
      assertEquals(expected, whole.values().get("qwk"), 1e-12, name);
      assertEquals(expected, parts[0].values().get("qwk"), 1e-12, name);
    }
  }

  @Test
  void kappaIsForWholeNumbersAlone() {
    RegressionMetrics metrics = new RegressionMetrics();
    metrics.add(1, 1.5);
    assertTrue(metrics.values().containsKey("qwk"));
    RegressionMetrics other = new RegressionMetrics();
    other.add(2.5, 3);
    assertFalse(other.values().containsKey("qwk"));
    metrics.merge(other);
    assertFalse(metrics.values().containsKey("qwk"));
  }

  @Test
  void aNanPredictionShowsInEveryValue() {
    RegressionMetrics metrics = new RegressionMetrics();
    metrics.add(1, 1);
    metrics.add(2, Double.NaN);
    metrics.add(3, 2);
    metrics.values().forEach((name, value) -> assertEquals(Double.NaN, value, name));
  }

  @Test
  void nothingSeenIsAnErrorAndOneRowHasNoCorrelation() {
    RegressionMetrics metrics = new RegressionMetrics();
    assertThrows(IllegalStateException.class, metrics::values);
    metrics.add(1, 3);
    assertEquals(4.0, metrics.values().get("mse"));
    assertEquals(2.0, metrics.values().get("mae"));
    assertEquals(Double.NaN, metrics.values().get("pearson"));
  }

  static JsonNode read(String name) {
    return Goldens.resource("dev/attune/metrics/" + name);
  }

  private static SeveralRegressionMetrics twoOutputs(double constant, double... predicted) {
    SeveralRegressionMetrics metrics = new SeveralRegressionMetrics(2);
    double[] labels = {1, 2, 4};
    for (int i = 0; i < labels.length; i++) {
      metrics.add(0, labels[i], 2 * labels[i]);
      metrics.add(1, constant, predicted[i]);
    }
    return metrics;
  }

  @Test
  void anOutputWithoutACorrelationIsLeftOutOfItsMeanAlone() {
    Map<String, Double> values = twoOutputs(0, 0.5, -0.5, 1).values();
    assertEquals(1, values.get("pearson"), 1e-12);
    assertEquals(1, values.get("spearman"), 1e-12);
    assertEquals((7 + 0.5) / 2, values.get("mse"), 1e-12);
    assertTrue(Double.isNaN(twoOutputs(0, 0.5, Double.NaN, 1).values().get("mse")));
    assertTrue(Double.isNaN(twoOutputs(0, 0.5, Double.NaN, 1).values().get("pearson")));
  }

  /** A mean over other outputs than before would not be comparable. */
  @Test
  void anOutputThatIsPredictedAsOneNumberLeavesNoMean() {
    SeveralRegressionMetrics metrics = new SeveralRegressionMetrics(2);
    for (double label : new double[] {1, 2, 4}) {
      metrics.add(0, label, 2 * label);
      metrics.add(1, label, 3);
    }
    assertTrue(Double.isNaN(metrics.values().get("pearson")));
  }
}
