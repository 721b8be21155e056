package dev.attune.run;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.ColumnRole;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TableWriter;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The rows of a file with what is predicted of each: as JSON lines, or as a table where the name
 * says .csv or .tsv. The fields of the input stay as they are; where one has a name of ours, ours
 * takes another, in every row the same.
 *
 * <p>In a table an object becomes a column for each of its fields ({@code scores.positive}); words
 * and tags are parted by spaces and labels by bars, as tables are read; any other list is JSON.
 */
final class PredictionFile {
  private static final ObjectMapper JSON =
      new ObjectMapper().disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);

  private static final String TAGS = "predicted_tags";

  private final Writer out;
  private final TableWriter table; // null: JSON lines
  private final Dataset data;
  private final Set<String> inputs = new LinkedHashSet<>();
  private final Map<ColumnRole, String> roles;
  private final Map<String, String> renamed = new LinkedHashMap<>();
  private List<String> predictions; // columns of a table, once the first row says them

  /**
   * A file to write.
   *
   * @param output whose name says the format
   * @param data whose rows will come
   */
  PredictionFile(Path output, Writer out, Dataset data) {
    this.out = out;
    Character delimiter = delimiter(output);
    this.table = delimiter == null ? null : new TableWriter(out, delimiter);
    this.data = data;
    data.examples().forEach(example -> inputs.addAll(example.fields().keySet()));
    this.roles = data.reading().roles();
  }

  /**
   * What parts the fields of the table that a name asks for; null: it asks for JSON lines, or for
   * nothing, having no ending.
   *
   * @throws InputException for the name of a format that is not written
   */
  static Character delimiter(Path output) {
    String name = output.getFileName().toString().toLowerCase(Locale.ROOT);
    int dot = name.lastIndexOf('.');
    String ending = dot <= 0 ? "" : name.substring(dot);
    return switch (ending) {
      case ".csv" -> ',';
      case ".tsv" -> '\t';
      case ".jsonl", "" -> null;
      default ->
          throw new InputException(
              RunOption.OUTPUT.with(output)
                  + " ends in "
                  + ending
                  + ", which is not written; predictions are written as .jsonl, .csv or .tsv");
    };
  }

  /** The names that our fields have where the input has theirs; empty where it has none of them. */
  Map<String, String> renamed() {
    return renamed;
  }

  /** Writes the next row. */
  void write(Example example, ObjectNode predicted) throws IOException {
    if (table == null) {
      ObjectNode line = JSON.createObjectNode();
      example.fields().forEach((name, value) -> line.set(name, JSON.valueToTree(value)));
      for (Map.Entry<String, JsonNode> field : predicted.properties()) {
        line.set(free(field.getKey()), field.getValue());
      }
      out.write(JSON.writeValueAsString(line));
      out.write('\n');
      return;
    }
    Map<String, JsonNode> flat = flat(predicted);
    if (predictions == null) {
      predictions = List.copyOf(flat.keySet());
      List<String> header = new ArrayList<>(inputs);
      predictions.forEach(name -> header.add(free(name)));
      table.row(header);
    }
    List<String> row = new ArrayList<>();
    for (String name : inputs) {
      row.add(cell(example, name));
    }
    for (String name : predictions) {
      row.add(predictedCell(flat.get(name), name.equals(TAGS) ? " " : "|"));
    }
    table.row(row);
  }

  private String free(String name) {
    String other = name;
    while (inputs.contains(other)) {
      other = "predicted_" + other;
    }
    if (!other.equals(name)) {
      renamed.put(name, other);
    }
    return other;
  }

  private static Map<String, JsonNode> flat(ObjectNode predicted) {
    Map<String, JsonNode> flat = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : predicted.properties()) {
      if (field.getValue().isObject()) {
        field
            .getValue()
            .properties()
            .forEach(part -> flat.put(field.getKey() + "." + part.getKey(), part.getValue()));
      } else {
        flat.put(field.getKey(), field.getValue());
      }
    }
    return flat;
  }

  private String cell(Example example, String name) throws JsonProcessingException {
    Object value = example.fields().get(name);
    if (value == null || value instanceof String) {
      return value == null ? "" : (String) value;
    }
    boolean words = isOf(name, ColumnRole.TOKENS) || isOf(name, ColumnRole.TAGS);
    if (value instanceof List<?> list && (words || isOf(name, ColumnRole.LABEL))) {
      String joined = joined(list, words ? " " : "|");
      if (joined == null) {
        throw new InputException(
            data.where(example)
                + ": the list \""
                + name
                + "\" does not fit a field of a table, in which "
                + (words ? "spaces part words" : "bars part labels")
                + "; write a .jsonl file");
      }
      return joined;
    }
    return JSON.writeValueAsString(value);
  }

  private boolean isOf(String name, ColumnRole role) {
    return name.equals(roles.get(role));
  }

  private static String predictedCell(JsonNode value, String separator)
      throws JsonProcessingException {
    if (value == null || value.isNull()) {
      return "";
    }
    if (value.isArray()) {
      List<Object> items = new ArrayList<>();
      value.forEach(item -> items.add(item.isTextual() ? item.asText() : null));
      String joined = joined(items, separator);
      return joined == null ? JSON.writeValueAsString(value) : joined;
    }
    return value.isTextual() ? value.asText() : JSON.writeValueAsString(value);
  }

  /** Items as one field; null where they could not be told apart again. */
  private static String joined(Collection<?> items, String separator) {
    List<String> texts = new ArrayList<>();
    for (Object item : items) {
      String text = item == null ? "" : item.toString();
      if (text.isBlank() || text.contains(separator) || !text.equals(text.strip())) {
        return null;
      }
      texts.add(text);
    }
    return String.join(separator, texts);
  }
}
