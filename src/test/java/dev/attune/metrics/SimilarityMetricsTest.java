package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Against sentence-transformers' evaluators: EmbeddingRunsTest; here what can be told by hand. */
class SimilarityMetricsTest {
  private static float[] at(double degrees) {
    double radians = Math.toRadians(degrees);
    return new float[] {(float) (3 * Math.cos(radians)), (float) (3 * Math.sin(radians))};
  }

  private static void add(SimilarityMetrics metrics, String texts, double... degrees) {
    float[][] vectors = new float[degrees.length][];
    for (int i = 0; i < degrees.length; i++) {
      vectors[i] = at(degrees[i]);
    }
    metrics.add(List.of(texts.split(" ")), vectors, 0);
  }

  @Test
  void positivesAreRankedAmongAllTextsThatAreNoAnchors() {
    SimilarityMetrics metrics = new SimilarityMetrics(2, false);
    add(metrics, "a x", 0, 10); // the nearest
    add(metrics, "b y", 12, 30); // third: x is at 2, z at 5
    add(metrics, "c z", 60, 17); // second: y is at 30
    Map<String, Double> values = metrics.values();
    assertEquals(List.copyOf(values.keySet()), SimilarityMetrics.names(2, false));
    assertEquals(1.0 / 3, values.get("recall@1"), 1e-12);
    assertEquals(1, values.get("recall@5"), 1e-12);
    assertEquals((1 + 1.0 / 3 + 1.0 / 2) / 3, values.get("mrr@10"), 1e-12);
    double log2of3 = Math.log(3) / Math.log(2);
    assertEquals((1 + 1.0 / 2 + 1 / log2of3) / 3, values.get("ndcg@10"), 1e-12);
  }

  /** An anchor that comes again has two positives; a text that comes again is one document. */
  @Test
  void equalTextsAreOne() {
    SimilarityMetrics metrics = new SimilarityMetrics(2, false);
    add(metrics, "a x", 0, 1);
    add(metrics, "a y", 0, 2);
    add(metrics, "b x", 3, 1);
    Map<String, Double> values = metrics.values();
    assertEquals((0.5 + 0) / 2, values.get("recall@1"), 1e-12);
    assertEquals((1 + 0.5) / 2, values.get("mrr@10"), 1e-12);
    assertEquals(3, metrics.count());
  }

  @Test
  void tripletsAreRightWhereThePositiveIsNearer() {
    SimilarityMetrics metrics = new SimilarityMetrics(4, false);
    add(metrics, "a p n m", 0, 20, 30, 10);
    add(metrics, "b q n o", 90, 91, 30, 89.5);
    assertEquals(0.5, metrics.values().get("accuracy"), 1e-12);
    assertEquals(SimilarityMetrics.names(4, false), List.copyOf(metrics.values().keySet()));
  }

  @Test
  void scoresAreCorrelatedWithCosines() {
    SimilarityMetrics metrics = new SimilarityMetrics(2, true);
    double[] angles = {0, 30, 60, 90};
    float[] scores = {5, 4, 4.5f, 0};
    for (int i = 0; i < angles.length; i++) {
      metrics.add(List.of("a", "b"), new float[][] {at(10), at(10 + angles[i])}, scores[i]);
    }
    assertEquals(0.8, metrics.values().get("spearman"), 1e-12);
    assertThrows(IllegalStateException.class, () -> new SimilarityMetrics(2, true).values());
  }
}
