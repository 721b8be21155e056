package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.Example;
import dev.attune.server.http.ApiException;
import dev.attune.task.Classification;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.Prediction;
import dev.attune.task.Regression;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Texts, or pairs of them, of which each gets labels or a number. */
record LabelledTexts(List<Example> rows) implements JudgedTexts {
  static LabelledTexts of(List<JsonNode> inputs) {
    List<Example> rows = new ArrayList<>();
    for (JsonNode input : inputs) {
      int number = rows.size() + 1;
      if (!input.isArray()) {
        rows.add(row(number, JudgedTexts.text(input), null));
      } else if (input.size() == 2) {
        rows.add(row(number, JudgedTexts.text(input.get(0)), JudgedTexts.text(input.get(1))));
      } else {
        throw ApiException.badRequest(
            "input",
            "Text " + number + " of 'input' has " + input.size() + " parts; a pair has two");
      }
    }
    return new LabelledTexts(rows);
  }

  private static Example row(int number, String text, String pair) {
    return new Example(number, text, pair, null, null, null, Map.of());
  }

  @Override
  public List<String> texts() {
    return rows.stream()
        .flatMap(row -> Stream.of(row.text(), row.textPair()))
        .filter(text -> text != null)
        .toList();
  }

  @Override
  public List<Example> rows(String piece) {
    return List.of(row(1, piece, null));
  }

  @Override
  public void tell(List<Prediction> said, ArrayNode results) {
    said.forEach(prediction -> tell(prediction, JudgedTexts.next(results)));
  }

  private static void tell(Prediction prediction, ObjectNode result) {
    if (prediction instanceof Classification.Predicted one) {
      result.put("label", one.label());
      result.put("score", one.score());
      put(result, one.scores());
    } else if (prediction instanceof MultiLabelClassification.Predicted several) {
      result.put("flagged", !several.labels().isEmpty());
      ArrayNode labels = result.putArray("labels");
      several.labels().forEach(labels::add);
      put(result, several.scores());
    } else if (prediction instanceof Regression.Predicted number) {
      result.put("value", number.score());
    } else {
      prediction.write(result); // as a row of the command line's predictions
    }
  }

  private static void put(ObjectNode result, Map<String, Double> scores) {
    ObjectNode all = result.putObject("scores");
    scores.forEach(all::put);
  }
}
