package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What Hugging Face's datasets notes of a data set beside its files: in {@code dataset_info.json},
 * as {@code save_to_disk} writes it, in {@code dataset_infos.json}, or in the metadata of the card,
 * {@code README.md}.
 *
 * @param config the name of the configuration; empty where there is one
 * @param columns all of them
 * @param classes the names of the classes of each column that has such, from 0 on
 */
record DescribedClasses(String config, Set<String> columns, Map<String, List<String>> classes) {
  private static final String CARD = "README.md";
  private static final String INFO = "dataset_info";

  /** What the files are called. */
  static final List<String> FILES = List.of("dataset_info.json", "dataset_infos.json", CARD);

  private static final String MARK = "---";
  private static final int FIRST_LINE = 80;

  /** Far more than descriptions have; what lies beside data may be data. */
  private static final int MOST_BYTES = 8 << 20;

  /**
   * The configurations that a file describes.
   *
   * @throws InputException if it cannot be read
   */
  static List<DescribedClasses> read(Path file) {
    boolean isCard = file.getFileName().toString().equals(CARD);
    try (BufferedInputStream in = new BufferedInputStream(Files.newInputStream(file))) {
      String said = isCard ? metadata(in, file) : text(in.readNBytes(MOST_BYTES + 1), file);
      return !isCard
          ? ofInfos(WholeJson.of(said))
          : said.contains(INFO) ? ofCard(new YAMLMapper().readTree(said).path(INFO)) : List.of();
    } catch (JsonProcessingException e) {
      throw new InputException(
          file + " is not valid " + (isCard ? "YAML: " : "JSON: ") + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static String text(byte[] bytes, Path file) {
    if (bytes.length > MOST_BYTES) {
      throw new InputException(
          file + " has more than " + (MOST_BYTES >> 20) + " MiB, as no description of columns has");
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /**
   * What stands between the first two lines of three hyphens, where the first begins the text; the
   * rest, which may be long, is not read.
   */
  private static String metadata(InputStream in, Path file) throws IOException {
    if (!isMark(line(in, FIRST_LINE))) {
      return "";
    }
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    while (true) {
      byte[] line = line(in, MOST_BYTES + 1 - said.size());
      if (line.length == 0 || isMark(line)) {
        String text = text(said.toByteArray(), file);
        return line.length == 0 ? "" : text; // without a second mark it is no metadata
      }
      said.writeBytes(line);
    }
  }

  private static boolean isMark(byte[] line) {
    String text = new String(line, StandardCharsets.UTF_8);
    return text.replace("\uFEFF", "").stripTrailing().equals(MARK);
  }

  /** A line with its end; nothing at the end of the file, or where it may have no bytes. */
  private static byte[] line(InputStream in, int most) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = 0; b != '\n' && line.size() < most; ) {
      b = in.read();
      if (b < 0) {
        break;
      }
      line.write(b);
    }
    return line.toByteArray();
  }

  /** One description, or one of each configuration. */
  private static List<DescribedClasses> ofInfos(JsonNode json) {
    if (json.has("features")) {
      return List.of(of(json.path("config_name").asText(), json.get("features")));
    }
    return json.properties().stream()
        .map(config -> of(config.getKey(), config.getValue().path("features")))
        .toList();
  }

  private static DescribedClasses of(String config, JsonNode features) {
    Set<String> columns = new LinkedHashSet<>();
    features.fieldNames().forEachRemaining(columns::add);
    return new DescribedClasses(config, columns, ClassNames.of(features));
  }

  private static List<DescribedClasses> ofCard(JsonNode info) {
    List<DescribedClasses> configs = new ArrayList<>();
    for (JsonNode config : info.isArray() ? info : List.of(info)) {
      Set<String> columns = new LinkedHashSet<>();
      Map<String, List<String>> classes = new LinkedHashMap<>();
      for (JsonNode feature : config.path("features")) {
        String column = feature.path("name").asText();
        columns.add(column);
        for (String type : List.of("dtype", "sequence", "list")) {
          List<String> names = names(feature.path(type).path("class_label").path("names"));
          if (!names.isEmpty()) {
            classes.put(column, names);
          }
        }
      }
      configs.add(new DescribedClasses(config.path("config_name").asText(), columns, classes));
    }
    return configs;
  }

  /** A list, or as cards have it an object by the numbers; empty where it is neither. */
  private static List<String> names(JsonNode said) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < said.size(); i++) {
      JsonNode name = said.isArray() ? said.get(i) : said.get(Integer.toString(i));
      if (name == null) {
        return List.of();
      }
      names.add(ClassNames.text(name));
    }
    return names;
  }
}
