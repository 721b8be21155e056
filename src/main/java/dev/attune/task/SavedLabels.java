package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Label names in config.json. */
final class SavedLabels {
  private SavedLabels() {}

  /** Reads id2label; absent, it stands for Transformers' two default labels. */
  static LabelMap read(Path folder, JsonNode outputs) {
    JsonNode id2label = outputs.path("id2label");
    List<String> names = new ArrayList<>();
    for (int id = 0; id < id2label.size(); id++) {
      JsonNode name = id2label.get(Integer.toString(id));
      if (name == null) {
        throw new InputException(folder + ": id2label of config.json has no entry for " + id);
      }
      names.add(name.asText());
    }
    return LabelMap.ofNames(names.isEmpty() ? List.of("LABEL_0", "LABEL_1") : names);
  }

  /** Writes id2label and label2id. */
  static void write(LabelMap labels, ObjectNode outputs) {
    outputs.set("id2label", labels.id2label());
    outputs.set("label2id", labels.label2id());
  }
}
