package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.Example;
import dev.attune.server.http.ApiException;
import dev.attune.task.Prediction;
import java.util.List;

/**
 * The texts of a request that a model with a head judges, and how the answer tells what it says.
 */
interface JudgedTexts {
  /** What the model is given; the row of each is the number of its text, from 1. */
  List<Example> rows();

  /** All texts, as clients wrote them. */
  List<String> texts();

  /** What the model would be given of a piece of one: a row, or none where nothing is in it. */
  List<Example> rows(String piece);

  /**
   * Tells what was said of all texts.
   *
   * @param said of each of {@link #rows()}
   */
  void tell(List<Prediction> said, ArrayNode results);

  /** The next result. */
  static ObjectNode next(ArrayNode results) {
    int index = results.size();
    return results.addObject().put("index", index);
  }

  /** A string of a request. */
  static String text(JsonNode node) {
    if (!node.isTextual()) {
      throw ApiException.badRequest(
          "input", "'input' has " + node.getNodeType() + " where a string must be");
    }
    return node.textValue();
  }
}
