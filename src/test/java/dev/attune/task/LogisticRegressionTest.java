package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.folder.LinearHead;
import dev.attune.testkit.Goldens;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Against scikit-learn: see {@code tools/make_few_shot_goldens.py}. */
class LogisticRegressionTest {
  private static final double TOLERANCE = 1e-4;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3})
  void isScikitLearns(int number) {
    JsonNode golden = golden("logistic_regression", number);
    int K = golden.get("classes").asInt();
    float[][] vectors = vectors(golden);
    int[] labels = new int[vectors.length];
    for (int n = 0; n < vectors.length; n++) {
      labels[n] = golden.get("labels").get(n).asInt();
    }

    LinearHead head = LogisticRegression.fit(vectors, labels, K, golden.get("c").asDouble());

    assertEquals(K, head.classes());
    int C = head.width();
    for (int k = 0; k < golden.get("coef").size(); k++) {
      String where = "class " + k;
      // Of two classes there is one row: what the second has over the first.
      int of = K == 2 ? 1 : k;
      for (int i = 0; i < C; i++) {
        double weight = head.weight()[of * C + i] - (K == 2 ? head.weight()[i] : 0);
        assertEquals(golden.get("coef").get(k).get(i).asDouble(), weight, TOLERANCE, where);
      }
      double bias = head.bias()[of] - (K == 2 ? head.bias()[0] : 0);
      assertEquals(golden.get("intercept").get(k).asDouble(), bias, TOLERANCE, where);
    }
    for (int n = 0; n < vectors.length; n++) {
      float[] logits = head.logits(vectors[n]);
      double[] wide = new double[K];
      for (int k = 0; k < K; k++) {
        wide[k] = logits[k];
      }
      double[] scores = Logits.softmax(wide);
      for (int k = 0; k < K; k++) {
        assertEquals(golden.get("probabilities").get(n).get(k).asDouble(), scores[k], TOLERANCE);
      }
    }
  }

  /** Any number of labels a row. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void oneAgainstTheRestIsScikitLearns(int number) {
    JsonNode golden = golden("one_vs_rest", number);
    float[][] vectors = vectors(golden);
    List<boolean[]> labels = new ArrayList<>();
    for (JsonNode row : golden.get("labels")) {
      boolean[] has = new boolean[row.size()];
      for (int k = 0; k < has.length; k++) {
        has[k] = row.get(k).asInt() == 1;
      }
      labels.add(has);
    }
    int K = labels.get(0).length;

    LinearHead head = LogisticRegression.fitEach(vectors, labels, K, golden.get("c").asDouble());

    for (int n = 0; n < vectors.length; n++) {
      float[] logits = head.logits(vectors[n]);
      assertEquals(K, logits.length);
      for (int k = 0; k < K; k++) {
        double expected = golden.get("probabilities").get(n).get(k).asDouble();
        assertEquals(expected, 1 / (1 + Math.exp(-logits[k])), TOLERANCE, "row " + n);
      }
    }
  }

  private static JsonNode golden(String name, int number) {
    return Goldens.resource("goldens/" + name + ".json").get(number);
  }

  private static float[][] vectors(JsonNode golden) {
    float[][] vectors = new float[golden.get("vectors").size()][];
    for (int n = 0; n < vectors.length; n++) {
      JsonNode vector = golden.get("vectors").get(n);
      vectors[n] = new float[vector.size()];
      for (int i = 0; i < vector.size(); i++) {
        vectors[n][i] = (float) vector.get(i).asDouble();
      }
    }
    return vectors;
  }

  @Test
  void aVectorOfAnotherWidthIsRefused() {
    LinearHead head = new LinearHead(new float[] {1, 2, 3, 4, 5, 6}, new float[2]);
    assertEquals(2, head.logits(new float[] {1, 0, 0}).length);
    assertThrows(IllegalArgumentException.class, () -> head.logits(new float[] {1, 0}));
  }
}
