package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The JSON files of a tokenizer's folder, each of which may be absent. */
final class JsonFile {
  private static final ObjectMapper JSON = new ObjectMapper();

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

  /**
   * What stands under a name at the top of an object, of which little else is read; missing: there
   * is none.
   */
  static JsonNode part(String json, String name) throws IOException {
    try (JsonParser parser = JSON.getFactory().createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return MissingNode.getInstance();
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean wanted = parser.currentName().equals(name);
        parser.nextToken();
        if (wanted) {
          return JSON.readTree(parser);
        }
        parser.skipChildren();
      }
      return MissingNode.getInstance();
    }
  }
}
