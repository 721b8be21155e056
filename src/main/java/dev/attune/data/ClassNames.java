package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The names of classes that a file has as numbers, where Hugging Face's datasets noted them in it;
 * -1 there means that there is no class.
 */
final class ClassNames {
  /** The key of that note in a file's metadata. */
  private static final String NOTE = "huggingface";

  private final Path file;
  private final Map<String, List<String>> names;

  /**
   * Those of a file.
   *
   * @param columns what its columns are: a pair's label is a number, as of how alike its texts are
   */
  ClassNames(Path file, Map<String, String> metadata, Columns columns) {
    this.file = file;
    this.names = columns.arePairs() ? Map.of() : names(file, metadata.get(NOTE));
  }

  /** The fields of a row with names in place of numbers; they are changed themselves. */
  Map<String, Object> applied(int row, Map<String, Object> fields) {
    names.forEach(
        (column, classes) ->
            fields.computeIfPresent(column, (name, value) -> named(row, name, value, classes)));
    return fields;
  }

  /** The names of each column that has them. */
  Map<String, List<String>> byColumn() {
    return names;
  }

  /** The data with what the report is to say of it. */
  Dataset noted(Dataset data) {
    return names.isEmpty()
        ? data
        : data.written("class names of " + String.join(", ", names.keySet()));
  }

  private Object named(int row, String column, Object value, List<String> classes) {
    if (value instanceof List<?> list) {
      List<Object> out = new ArrayList<>();
      list.forEach(item -> out.add(name(row, column, item, classes)));
      return out;
    }
    return name(row, column, value, classes);
  }

  private String name(int row, String column, Object value, List<String> classes) {
    if (value == null || value.equals(-1)) {
      return null;
    }
    if (!(value instanceof Integer number) || number < 0 || number >= classes.size()) {
      throw new InputException(
          String.format(
              "%s, row %d: \"%s\" is %s, which is none of its %d classes",
              file, row, column, value, classes.size()));
    }
    return classes.get(number);
  }

  private static Map<String, List<String>> names(Path file, String noted) {
    try {
      return noted == null ? Map.of() : of(WholeJson.of(noted).path("info").path("features"));
    } catch (JsonProcessingException e) {
      throw new InputException(
          file + ": its note for Hugging Face's datasets is not JSON: " + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw new IllegalStateException("a text that cannot be read", e);
    }
  }

  /** A name; what no program writes as one, such as null or true, is blank. */
  static String text(JsonNode name) {
    return name.isTextual() || name.isIntegralNumber() ? name.asText() : "";
  }

  /**
   * The class names of each column that has them: of a class, or of lists of classes.
   *
   * @param features as datasets notes them in JSON
   */
  static Map<String, List<String>> of(JsonNode features) {
    Map<String, List<String>> out = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> feature : features.properties()) {
      JsonNode of = feature.getValue();
      of = of.has("feature") ? of.get("feature") : of.isArray() ? of.path(0) : of;
      if (of.path("_type").asText().equals("ClassLabel") && of.path("names").isArray()) {
        List<String> names = new ArrayList<>();
        of.get("names").forEach(name -> names.add(text(name)));
        out.put(feature.getKey(), names);
      }
    }
    return out;
  }
}
