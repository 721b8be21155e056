package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SequenceLabelMetricsTest {
  private static final List<String> TAGS = List.of("O", "B-PER", "I-PER", "B-LOC", "I-LOC");

  @Test
  void valuesEqualSeqevals() throws Exception {
    for (JsonNode test : RegressionMetricsTest.read("entities.json")) {
      List<String> tags = new ArrayList<>();
      test.path("tags").forEach(t -> tags.add(t.asText()));
      SequenceLabelMetrics whole = new SequenceLabelMetrics(tags);
      SequenceLabelMetrics half = new SequenceLabelMetrics(tags);
      SequenceLabelMetrics rest = new SequenceLabelMetrics(tags);
      for (int i = 0; i < test.path("labels").size(); i++) {
        int[] labels = ids(tags, test.path("labels").get(i));
        int[] predictions = ids(tags, test.path("predictions").get(i));
        whole.add(labels, predictions);
        (i % 2 == 0 ? half : rest).add(labels, predictions);
      }
      for (Map.Entry<String, Double> value : whole.values().entrySet()) {
        assertEquals(
            test.path(value.getKey()).asDouble(Double.NaN),
            value.getValue(),
            1e-12,
            value.getKey() + " over " + tags);
      }
      half.merge(rest);
      assertEquals(whole.values(), half.values());
    }
  }

  @Test
  void handCountedCase() {
    SequenceLabelMetrics metrics = new SequenceLabelMetrics(TAGS);
    // PER 0-2 and LOC 4-5; found: PER 0-2, PER 3-4 (begun by I) and LOC 4-5.
    metrics.add(new int[] {1, 2, 0, 0, 3}, new int[] {1, 2, 0, 2, 3});
    // A wrong end is a wrong entity.
    metrics.add(new int[] {1, 2}, new int[] {1, 0});
    Map<String, Double> values = metrics.values();
    assertEquals(2 / 4.0, values.get("precision"));
    assertEquals(2 / 3.0, values.get("recall"));
    assertEquals(4 / 7.0, values.get("f1"));
    assertEquals(5 / 7.0, values.get("accuracy"));
    assertTrue(metrics.table(200).contains("LOC      1.0000    1.0000    1.0000         1"));
  }

  @Test
  void negativeLabelsTakeNoPart() {
    SequenceLabelMetrics masked = new SequenceLabelMetrics(TAGS);
    masked.add(new int[] {-100, 1, -100, 2, -100}, new int[] {9, 1, 4, 2, -3});
    assertEquals(2, masked.count());
    assertEquals(1.0, masked.values().get("f1"));
  }

  @Test
  void partsOfAPackedBatchAreSequencesOfTheirOwn() {
    int[] packed = {1, 2, 2, 2};
    SequenceLabelMetrics metrics = new SequenceLabelMetrics(TAGS);
    metrics.add(packed, new int[] {1, 2, 1, 2}, 0, 2);
    metrics.add(packed, new int[] {1, 2, 1, 2}, 2, 4);
    assertEquals(1.0, metrics.values().get("f1"), "the second begins with I and equals B I");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "PER", "X-PER", "B-", "b-per", "BPER"})
  void tagsOutsideTheSchemeAreRefused(String tag) {
    InputException refused =
        assertThrows(InputException.class, () -> new SequenceLabelMetrics(List.of("O", tag)));
    assertTrue(refused.getMessage().contains("'" + tag + "'"), refused.getMessage());
  }

  @Test
  void nothingSeenIsAnError() {
    SequenceLabelMetrics metrics = new SequenceLabelMetrics(TAGS);
    metrics.add(new int[] {-100}, new int[] {0});
    assertThrows(IllegalStateException.class, metrics::values);
  }

  private static int[] ids(List<String> tags, JsonNode sequence) {
    return StreamSupport.stream(sequence.spliterator(), false)
        .mapToInt(t -> tags.indexOf(t.asText()))
        .toArray();
  }
}
