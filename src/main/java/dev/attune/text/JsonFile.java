package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The JSON files of a tokenizer's folder, each of which may be absent. */
final class JsonFile {
  private JsonFile() {}

  /**
   * What a file holds; an empty object where there is none.
   *
   * @throws InputException if it is not valid JSON
   */
  static JsonNode read(Path file) {
    if (!Files.exists(file)) {
      return JsonNodeFactory.instance.objectNode();
    }
    try {
      return WholeJson.read(file);
    } catch (IOException e) {
      throw new InputException(file + " is not valid JSON: " + JsonProblem.of(e), e);
    }
  }
}
