package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.IOException;
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

  /** What the files are called. */
  static final List<String> FILES = List.of("dataset_info.json", "dataset_infos.json", CARD);

  private static final String MARK = "---";

  /**
   * The configurations that a file describes; none where it names no classes.
   *
   * @throws InputException if it cannot be read
   */
  static List<DescribedClasses> read(Path file) {
    boolean isCard = file.getFileName().toString().equals(CARD);
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      String said = isCard ? metadata(text) : text;
      if (!said.contains(isCard ? "class_label" : "ClassLabel")) {
        return List.of();
      }
      return isCard
          ? ofCard(new YAMLMapper().readTree(said).path("dataset_info"))
          : ofInfos(WholeJson.of(said));
    } catch (JsonProcessingException e) {
      throw new InputException(
          file + " is not valid " + (isCard ? "YAML: " : "JSON: ") + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** What stands between the first two lines of three hyphens, where the first begins the text. */
  private static String metadata(String text) {
    List<String> lines = text.lines().toList();
    List<String> rest = lines.isEmpty() ? List.of() : lines.subList(1, lines.size());
    int end = rest.stream().map(String::stripTrailing).toList().indexOf(MARK);
    boolean begins = !lines.isEmpty() && lines.get(0).replace("\uFEFF", "").strip().equals(MARK);
    return begins && end >= 0 ? String.join("\n", rest.subList(0, end)) : "";
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
      names.add(name.asText());
    }
    return names;
  }
}
