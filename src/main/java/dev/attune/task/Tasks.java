package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Every type of task: nothing else names them all. */
public final class Tasks {
  private static final List<TaskType> ALL =
      List.of(
          Classification.TYPE,
          Regression.TYPE,
          TokenClassification.TYPE,
          CausalLm.TYPE);

  private Tasks() {}

  /** The type that a command line names. */
  public static TaskType named(String option) {
    String wanted = option.toLowerCase(Locale.ROOT);
    for (TaskType type : ALL) {
      if (type.name().equals(wanted) || type.aliases().contains(wanted)) {
        return type;
      }
    }
    throw new InputException("--task is '" + option + "'; allowed are " + names());
  }

  /** "classification, regression and causal-lm": for help and messages. */
  public static String names() {
    List<String> names = ALL.stream().map(TaskType::name).toList();
    int last = names.size() - 1;
    return String.join(", ", names.subList(0, last)) + " and " + names.get(last);
  }

  /**
   * The type of a model folder: as it was trained here, else as config.json says.
   *
   * @param settings attune.json; empty where the model was trained elsewhere
   */
  public static TaskType of(Path folder, JsonNode config, JsonNode settings) {
    if (settings.hasNonNull("task")) {
      return named(settings.get("task").asText());
    }
    return ALL.stream()
        .filter(type -> type.isFor(config))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    folder
                        + ": config.json names the architecture '"
                        + architecture(config)
                        + "'; those that can be used are made for one of "
                        + ALL.stream().map(TaskType::name).collect(Collectors.joining(", "))
                        + ". Train one with: attune train --model "
                        + folder));
  }

  /** The class that Transformers loads a model with, or "". */
  static String architecture(JsonNode config) {
    return config.path("architectures").path(0).asText("");
  }
}
