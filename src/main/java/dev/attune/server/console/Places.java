package dev.attune.server.console;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What clients are told in place of the paths of this machine. */
final class Places {
  private final Map<String, String> names = new LinkedHashMap<>(); // longer paths first

  /**
   * @param data the server's folder: what lies below it is told by its path from there
   * @param bases folders of models by their names
   */
  Places(Path data, Map<String, Path> bases) {
    Map<String, String> all = new LinkedHashMap<>();
    all.put(data.toAbsolutePath().normalize() + "/", "");
    bases.forEach((name, folder) -> all.put(folder.toAbsolutePath().normalize().toString(), name));
    List<String> paths =
        all.keySet().stream().sorted(Comparator.comparingInt(String::length).reversed()).toList();
    paths.forEach(path -> names.put(path, all.get(path)));
  }

  /** A text without paths. */
  String named(String text) {
    String out = text;
    for (Map.Entry<String, String> place : names.entrySet()) {
      out = out.replace(place.getKey(), place.getValue());
    }
    return out;
  }

  /** A document with names in the place of paths, wherever they stand in it; it is changed. */
  JsonNode named(JsonNode node) {
    if (node instanceof ObjectNode object) {
      object.properties().forEach(entry -> entry.setValue(named(entry.getValue())));
    } else if (node instanceof ArrayNode array) {
      for (int i = 0; i < array.size(); i++) {
        array.set(i, named(array.get(i)));
      }
    } else if (node.isTextual()) {
      return TextNode.valueOf(named(node.textValue()));
    }
    return node;
  }
}
