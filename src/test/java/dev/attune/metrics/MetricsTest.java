package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.testkit.Goldens;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private static final double EXACT = 1e-12;

  @Test
  void classificationEqualsScikitLearn() {
    int checked = 0;
    for (JsonNode golden : Goldens.json(Goldens.folder().resolve("metrics/golden.json"))) {
      if (!golden.get("kind").asText().equals("classification")) {
        continue;
      }
      JsonNode labels = golden.get("labels");
      JsonNode predictions = golden.get("predictions");
      ClassificationMetrics whole = new ClassificationMetrics(names(16));
      ClassificationMetrics first = new ClassificationMetrics(names(16));
      ClassificationMetrics second = new ClassificationMetrics(names(16));
      for (int i = 0; i < labels.size(); i++) {
        int label = labels.get(i).asInt();
        int prediction = predictions.get(i).asInt();
        whole.add(label, prediction);
        (i % 3 == 0 ? first : second).add(label, prediction);
      }
      first.merge(second);
      for (Map.Entry<String, Double> value : whole.values().entrySet()) {
        assertEquals(
            golden.get(value.getKey()).asDouble(), value.getValue(), EXACT, value.getKey());
      }
      assertEquals(whole.values(), first.values());
      checked++;
    }
    assertTrue(checked >= 4);
  }

  @Test
  void microAveragesEqualAccuracy() {
    ClassificationMetrics metrics = new ClassificationMetrics(names(3));
    metrics.add(0, 0);
    metrics.add(1, 2);
    assertEquals(0.5, metrics.values().get("f1_micro"), EXACT);
  }

  @Test
  void correlationsSurviveALargeOffset() {
    RegressionMetrics metrics = new RegressionMetrics();
    for (int i = 0; i < 100; i++) {
      metrics.add(1e9 + i, 1e9 + 2.0 * i);
    }
    assertEquals(1, metrics.pearson(), 1e-9);
    assertEquals(1, metrics.spearman(), EXACT);
  }

  /** scipy 1.11: pearsonr 0.7745966692414834, spearmanr 0.7378647873726218. */
  @Test
  void correlationsEqualScipyWithTies() {
    RegressionMetrics metrics = new RegressionMetrics();
    double[] targets = {1, 2, 3, 4, 5};
    double[] predictions = {2, 4, 5, 4, 5};
    for (int i = 0; i < targets.length; i++) {
      metrics.add(targets[i], predictions[i]);
    }
    assertEquals(0.7745966692414834, metrics.pearson(), EXACT);
    assertEquals(0.7378647873726218, metrics.spearman(), EXACT);
    assertEquals((1 + 4 + 4 + 0 + 0) / 5.0, metrics.values().get("mse"), EXACT);
    assertEquals((1 + 2 + 2 + 0 + 0) / 5.0, metrics.values().get("mae"), EXACT);
  }

  @Test
  void constantPredictionsHaveNoCorrelation() {
    RegressionMetrics metrics = new RegressionMetrics();
    metrics.add(1, 3);
    metrics.add(2, 3);
    assertEquals(0, metrics.pearson());
    assertEquals(0, metrics.spearman());
  }

  @Test
  void entitiesMustMatchInTypeBeginAndEnd() {
    List<String> tags = List.of("O", "B-MISC", "I-MISC", "B-PER", "I-PER");
    SequenceLabelMetrics metrics = new SequenceLabelMetrics(tags);
    // The example of seqeval's README: F1 0.50.
    metrics.add(new int[] {0, 0, 0, 1, 2, 2, 0}, new int[] {0, 0, 1, 2, 2, 2, 0});
    metrics.add(new int[] {3, 4, 0}, new int[] {3, 4, 0});
    assertEquals(0.5, metrics.values().get("f1"), EXACT);
    assertEquals(0.5, metrics.values().get("precision"), EXACT);
    assertEquals(0.5, metrics.values().get("recall"), EXACT);
    assertEquals(0.8, metrics.values().get("accuracy"), EXACT);
  }

  @Test
  void anEntityMayBeginWithInside() {
    List<String> tags = List.of("O", "B-X", "I-X", "I-Y");
    SequenceLabelMetrics metrics = new SequenceLabelMetrics(tags);
    // Lenient mode: I-X after O begins an entity, and a change of type ends one.
    metrics.add(new int[] {0, 1, 3, 0}, new int[] {0, 2, 3, 0});
    assertEquals(1, metrics.values().get("f1"), EXACT);
  }

  private static List<String> names(int count) {
    return IntStream.range(0, count).mapToObj(i -> "c" + i).toList();
  }
}
