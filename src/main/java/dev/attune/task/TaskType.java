package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.data.Dataset;
import java.nio.file.Path;
import java.util.List;

/** A kind of task: makes tasks from training data and from model folders. */
public interface TaskType {
  /** The name on the command line: {@code token-classification}. */
  String name();

  /** Other names for it. */
  default List<String> aliases() {
    return List.of();
  }

  /** PEFT's {@code task_type} of its adapters: {@code SEQ_CLS}. */
  String peftType();

  /**
   * The task of a new head.
   *
   * @param train whose labels are learned
   */
  Task learn(Dataset train, TaskOptions options);

  /** Whether a config.json with architecture and outputs is that of a model for this task. */
  boolean isFor(JsonNode config);

  /**
   * The task of a trained head.
   *
   * @param folder for messages
   * @param outputs config.json, or for an adapter attune.json: id2label …
   * @param settings attune.json; empty where the model was trained elsewhere
   */
  Task open(Path folder, JsonNode outputs, JsonNode settings, TaskOptions options);
}
