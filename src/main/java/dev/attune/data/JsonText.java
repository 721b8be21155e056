package dev.attune.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON, strictly, one value at a time; complaints in our words. */
final class JsonText {
  private static final JsonFactory FACTORY =
      JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private JsonText() {}

  static JsonParser parser(Reader text) throws IOException {
    return FACTORY.createParser(text);
  }

  /** The object that is a whole text. */
  static Map<String, Object> object(String text) throws IOException {
    try (JsonParser parser = FACTORY.createParser(text)) {
      JsonToken token = parser.nextToken();
      if (token != JsonToken.START_OBJECT) {
        throw new JsonFault("it begins with " + described(token), parser);
      }
      Map<String, Object> object = object(parser);
      if (parser.nextToken() != null) {
        throw new JsonFault("more follows the object", parser);
      }
      return object;
    }
  }

  /** The list that is a whole text; null where it does not begin one. */
  static List<Object> list(String text) throws IOException {
    try (JsonParser parser = FACTORY.createParser(text)) {
      if (parser.nextToken() != JsonToken.START_ARRAY) {
        return null;
      }
      List<Object> list = list(parser);
      if (parser.nextToken() != null) {
        throw new JsonFault("more follows the list", parser);
      }
      return list;
    }
  }

  /** The list that the parser has entered; the parser stands at its end then. */
  static List<Object> list(JsonParser parser) throws IOException {
    List<Object> list = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      list.add(value(parser));
    }
    return list;
  }

  /** The object that the parser has entered; the parser stands at its end then. */
  static Map<String, Object> object(JsonParser parser) throws IOException {
    Map<String, Object> fields = new LinkedHashMap<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      fields.put(name, value(parser));
    }
    return fields;
  }

  private static Object value(JsonParser parser) throws IOException {
    switch (parser.currentToken()) {
      case START_OBJECT:
        return object(parser);
      case START_ARRAY:
        return list(parser);
      case VALUE_NUMBER_INT:
        return JsonNumber.of(parser.getNumberValue(), parser.getText());
      case VALUE_NUMBER_FLOAT:
        return JsonNumber.of(parser.getDoubleValue(), parser.getText());
      case VALUE_TRUE, VALUE_FALSE:
        return parser.getBooleanValue();
      case VALUE_NULL:
        return null;
      default:
        return parser.getText();
    }
  }

  /** What a token is, for messages. */
  static String described(JsonToken token) {
    if (token == null) {
      return "nothing";
    }
    return switch (token) {
      case START_OBJECT -> "an object";
      case START_ARRAY -> "a list";
      case VALUE_STRING -> "a string";
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
      case VALUE_TRUE, VALUE_FALSE -> "true or false";
      case VALUE_NULL -> "null";
      default -> "no value";
    };
  }

  /** The complaint about a file that is not JSON. */
  static InputException invalid(Path file, JsonProcessingException e) {
    String where =
        e.getLocation() == null
            ? ""
            : String.format(
                " (line %d, character %d)",
                e.getLocation().getLineNr(), e.getLocation().getColumnNr());
    return new InputException(file + " is not valid JSON" + where + ": " + JsonProblem.of(e), e);
  }

  /** JSON that is valid but not what is wanted. */
  private static final class JsonFault extends JsonProcessingException {
    private static final long serialVersionUID = 1;

    JsonFault(String message, JsonParser parser) {
      super(message, parser.currentTokenLocation());
    }
  }
}
