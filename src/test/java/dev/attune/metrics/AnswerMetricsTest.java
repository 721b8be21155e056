package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AnswerMetricsTest {
  /** Made by tools/make_task_goldens.py. */
  @Test
  void valuesAreThoseOfTheOfficialScripts() throws IOException {
    JsonNode goldens =
        new ObjectMapper()
            .readTree(AnswerMetricsTest.class.getResourceAsStream("/metrics/answers.json"));
    for (String version : List.of("v1", "v2")) {
      JsonNode golden = goldens.get(version);
      AnswerMetrics metrics = new AnswerMetrics(version.equals("v2"));
      for (JsonNode row : golden.get("rows")) {
        List<String> answers = new ArrayList<>();
        row.get("answers").forEach(answer -> answers.add(answer.asText()));
        metrics.add(answers, row.get("prediction").asText());
      }
      for (String name : List.of("exact_match", "f1")) {
        assertEquals(
            golden.get("values").get(name).asDouble(), metrics.values().get(name), 1e-9, name);
      }
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
