package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.data.parquet.ParquetFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The rows of a Parquet file. Class numbers get their names where Hugging Face's datasets noted
 * them in the file; -1 there means that there is no class.
 */
final class ParquetRows implements FieldRows, AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final ParquetFile parquet;
  private final Map<String, List<String>> names;
  private int row;

  private ParquetRows(Path file, ParquetFile parquet) {
    this.file = file;
    this.parquet = parquet;
    this.names = names(file, parquet.metadata().get("huggingface"));
  }

  static Dataset read(DataFile file, ReadOptions options) {
    if (!file.compression().isEmpty()) {
      throw new InputException(
          file.shown()
              + " is Parquet within "
              + file.compression()
              + "; decompress it: Parquet compresses by itself");
    }
    if (!ForeignContent.isParquet(file.head())) {
      throw new InputException(file.shown() + " is no Parquet file: it does not begin with PAR1");
    }
    try (ParquetRows rows =
        new ParquetRows(file.shown(), ParquetFile.open(file.shown(), file.stored()))) {
      Dataset data = new JsonlReader(file.shown(), options).read(rows);
      return rows.names.isEmpty()
          ? data
          : data.written("class names of " + String.join(", ", rows.names.keySet()));
    }
  }

  @Override
  public Map<String, Object> next() {
    row++;
    Map<String, Object> fields = parquet.next();
    if (fields != null) {
      names.forEach((column, classes) -> fields.replace(column, named(column, fields, classes)));
    }
    return fields;
  }

  @Override
  public int row() {
    return row;
  }

  @Override
  public void close() {
    parquet.close();
  }

  private Object named(String column, Map<String, Object> fields, List<String> classes) {
    Object value = fields.get(column);
    if (value instanceof List<?> list) {
      List<Object> out = new ArrayList<>();
      list.forEach(item -> out.add(named(column, item, classes)));
      return out;
    }
    return named(column, value, classes);
  }

  private String named(String column, Object value, List<String> classes) {
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

  /** The class names of each column that has them: of a class, or of lists of classes. */
  private static Map<String, List<String>> names(Path file, String noted) {
    Map<String, List<String>> out = new LinkedHashMap<>();
    if (noted == null) {
      return out;
    }
    try {
      JsonNode features = JSON.readTree(noted).path("info").path("features");
      for (Map.Entry<String, JsonNode> feature : features.properties()) {
        JsonNode of = feature.getValue();
        of = of.has("feature") ? of.get("feature") : of.isArray() ? of.path(0) : of;
        if (of.path("_type").asText().equals("ClassLabel") && of.path("names").isArray()) {
          List<String> names = new ArrayList<>();
          of.get("names").forEach(name -> names.add(name.asText()));
          out.put(feature.getKey(), names);
        }
      }
      return out;
    } catch (JsonProcessingException e) {
      throw new InputException(
          file + ": its note for Hugging Face's datasets is not JSON: " + JsonProblem.of(e), e);
    }
  }
}
