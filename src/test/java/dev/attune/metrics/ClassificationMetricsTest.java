package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ClassificationMetricsTest {
  @Test
  void valuesEqualScikitLearns() throws Exception {
    Path golden = Path.of(System.getProperty("attune.goldens", "none"), "metrics", "golden.json");
    assumeTrue(Files.exists(golden), "the goldens folder is absent: -Dattune.goldens=DIR");
    int cases = 0;
    for (JsonNode test : new ObjectMapper().readTree(golden.toFile())) {
      if (!test.path("kind").asText().equals("classification")) {
        continue;
      }
      cases++;
      ClassificationMetrics whole = new ClassificationMetrics(classes(8));
      ClassificationMetrics first = new ClassificationMetrics(classes(8));
      ClassificationMetrics second = new ClassificationMetrics(classes(8));
      for (int i = 0; i < test.path("labels").size(); i++) {
        int label = test.path("labels").get(i).asInt();
        int prediction = test.path("predictions").get(i).asInt();
        whole.add(label, prediction);
        (i % 3 == 0 ? first : second).add(label, prediction);
      }
      for (Map.Entry<String, Double> value : whole.values().entrySet()) {
        assertEquals(
            test.path(value.getKey()).asDouble(Double.NaN),
            value.getValue(),
            1e-12,
            value.getKey());
      }
      first.merge(second);
      assertEquals(whole.values(), first.values());
    }
    assertTrue(cases >= 4, "only " + cases + " cases");
  }

  @Test
  void handCountedCase() {
    // Rows are labels: a: 2 right, 1 as b; b: 1 right, 1 as c; c is never a label; d is absent.
    ClassificationMetrics metrics = new ClassificationMetrics(List.of("a", "b", "c", "d"));
    metrics.add(0, 0);
    metrics.add(0, 0);
    metrics.add(0, 1);
    metrics.add(1, 1);
    metrics.add(1, 2);
    assertEquals(0.8, metrics.f1(0), 1e-15);
    assertEquals(0.5, metrics.precision(1));
    assertEquals(0, metrics.recall(2), "no rows: zero, as zero_division=0");
    Map<String, Double> values = metrics.values();
    assertEquals(0.6, values.get("accuracy"), 1e-15);
    assertEquals((0.8 + 0.5 + 0) / 3, values.get("f1_macro"), 1e-15, "d takes no part");
    assertEquals((3 * 0.8 + 2 * 0.5) / 5, values.get("f1_weighted"), 1e-15);
    assertEquals(
        List.of(
            "accuracy",
            "f1_macro",
            "f1_micro",
            "f1_weighted",
            "precision_macro",
            "recall_macro",
            "mcc"),
        List.copyOf(values.keySet()));
  }

  @Test
  void tableHasALineForEachClass() {
    ClassificationMetrics metrics = new ClassificationMetrics(List.of("bad", "x".repeat(60)));
    metrics.add(0, 0);
    metrics.add(1, 0);
    List<String> lines = metrics.table(200).lines().toList();
    assertEquals(8, lines.size());
    assertTrue(lines.get(1).matches("bad +0.5000 +1.0000 +0.6667 +1"), lines.get(1));
    assertEquals(lines.get(0).length(), lines.get(2).length());
    assertEquals("label \\ predicted", lines.get(4));
    assertTrue(lines.get(5).matches(" +bad x{11}…"), lines.get(5));
    assertTrue(lines.get(6).matches("bad +1 +0"), lines.get(6));
    assertTrue(lines.get(7).matches("x{39}… +1 +0"), lines.get(7));
  }

  @Test
  void elevenClassesHaveNoConfusionMatrix() {
    ClassificationMetrics metrics = new ClassificationMetrics(classes(11));
    metrics.add(10, 3);
    ClassificationMetrics other = new ClassificationMetrics(classes(11));
    other.add(0, 0);
    metrics.merge(other);
    assertEquals(12, metrics.table(200).lines().count());
    assertEquals(0.5, metrics.values().get("accuracy"));
  }

  @Test
  void nothingSeenAndClassesOutOfRangeAreErrors() {
    ClassificationMetrics metrics = new ClassificationMetrics(classes(2));
    assertThrows(IllegalStateException.class, metrics::values);
    assertThrows(IllegalArgumentException.class, () -> metrics.add(2, 0));
    assertThrows(IllegalArgumentException.class, () -> metrics.add(0, -1));
    ClassificationMetrics other = new ClassificationMetrics(classes(3));
    assertThrows(IllegalArgumentException.class, () -> metrics.merge(other));
  }

  private static List<String> classes(int count) {
    return IntStream.range(0, count).mapToObj(Integer::toString).toList();
  }
}
