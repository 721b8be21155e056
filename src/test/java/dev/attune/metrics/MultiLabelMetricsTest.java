package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MultiLabelMetricsTest {
  /** Made by tools/make_multi_label_goldens.py. */
  @Test
  void valuesAreThoseOfScikitLearn() throws IOException {
    JsonNode cases =
        new ObjectMapper()
            .readTree(MultiLabelMetricsTest.class.getResourceAsStream("/metrics/multi_label.json"));
    for (JsonNode golden : cases) {
      int K = golden.at("/gold/0").size();
      MultiLabelMetrics metrics = metrics(K);
      for (int row = 0; row < golden.get("gold").size(); row++) {
        boolean[] gold = new boolean[K];
        boolean[] given = new boolean[K];
        double[] scores = new double[K];
        for (int k = 0; k < K; k++) {
          gold[k] = golden.get("gold").get(row).get(k).asInt() == 1;
          scores[k] = golden.get("scores").get(row).get(k).asDouble();
          given[k] = scores[k] >= 0.5;
        }
        metrics.add(gold, given, scores);
      }
      Map<String, Double> values = metrics.values();
      assertEquals(golden.get("values").size(), values.size());
      values.forEach(
          (name, value) ->
              assertEquals(golden.get("values").get(name).asDouble(), value, 1e-12, name));
    }
  }

  @Test
  void nothingWasCounted() {
    assertThrows(IllegalStateException.class, () -> metrics(2).values());
    assertThrows(
        IllegalArgumentException.class,
        () -> metrics(2).add(new boolean[1], new boolean[2], new double[2]));
  }

  private static MultiLabelMetrics metrics(int K) {
    List<String> names = IntStream.range(0, K).mapToObj(String::valueOf).toList();
    return new MultiLabelMetrics(names);
  }
}
