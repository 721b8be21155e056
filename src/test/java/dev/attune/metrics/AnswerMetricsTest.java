package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.testkit.Goldens;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerMetricsTest {
  /** Made with the official scripts of SQuAD 1.1 and 2.0 by tools/make_answer_goldens.py. */
  @ParameterizedTest
  @ValueSource(strings = {"v1", "v2"})
  void valuesAreThoseOfTheOfficialScripts(String version) {
    JsonNode golden = Goldens.resource("metrics/answers.json").get(version);
    AnswerMetrics all = new AnswerMetrics(version.equals("v2"));
    for (JsonNode row : golden.get("rows")) {
      List<String> answers = new ArrayList<>();
      row.get("answers").forEach(answer -> answers.add(answer.asText()));
      String prediction = row.get("prediction").asText();
      AnswerMetrics one = new AnswerMetrics(version.equals("v2"));
      one.add(answers, prediction);
      for (String name : List.of("exact_match", "f1")) {
        assertEquals(row.get(name).asDouble(), one.values().get(name), name + " of " + row);
      }
      all.add(answers, prediction);
    }
    assertTrue(all.count() >= 400);
    for (Map.Entry<String, JsonNode> value : golden.get("values").properties()) {
      // The same sum, in another order of operations.
      assertEquals(value.getValue().asDouble(), all.values().get(value.getKey()), 1e-11);
    }
  }

  @Test
  void theTwoKindsOfQuestionsAreGivenApart() {
    AnswerMetrics metrics = new AnswerMetrics(true);
    metrics.add(List.of("a cat"), "cat");
    metrics.add(List.of("dog"), "");
    metrics.add(List.of(), "");
    metrics.add(List.of(), "bird");
    assertEquals(50, metrics.values().get("has_answer_exact_match"));
    assertEquals(50, metrics.values().get("no_answer_exact_match"));
    assertEquals(50, metrics.values().get("exact_match"));
  }

  @Test
  void aQuestionWithoutAnswerNeedsTheSecondVersion() {
    assertThrows(IllegalArgumentException.class, () -> new AnswerMetrics(false).add(List.of(), ""));
  }
}
