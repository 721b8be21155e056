package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import dev.attune.task.Task;
import java.util.List;
import java.util.stream.IntStream;

/** What a model folder was trained for, by what its files say. */
final class FolderTask {
  private static final int DEFAULT_OUTPUTS = 2;

  private FolderTask() {}

  /**
   * The task: as training here noted it, else as PEFT or the architecture's name says.
   *
   * @throws InputException if the folder has no trained head
   */
  static Task of(ModelFolder folder) {
    String noted = folder.attune().path("task").asText("");
    if (!noted.isEmpty()) {
      return Task.ofOption(noted);
    }
    return folder.isAdapter() ? ofAdapter(folder) : ofArchitecture(folder);
  }

  private static Task ofAdapter(ModelFolder folder) {
    return switch (folder.adapter().taskType()) {
      case "SEQ_CLS" -> ofSequences(folder);
      case "TOKEN_CLS" -> Task.TOKEN_CLASSIFICATION;
      case "CAUSAL_LM" -> Task.CAUSAL_LM;
      default -> ofArchitecture(folder);
    };
  }

  private static Task ofArchitecture(ModelFolder folder) {
    String architecture = folder.architecture();
    if (architecture.endsWith("ForCausalLM") || architecture.endsWith("LMHeadModel")) {
      return Task.CAUSAL_LM;
    }
    if (architecture.endsWith("ForTokenClassification")) {
      return Task.TOKEN_CLASSIFICATION;
    }
    if (architecture.endsWith("ForSequenceClassification")) {
      return ofSequences(folder);
    }
    throw new InputException(
        folder.base()
            + ": config.json names the architecture '"
            + architecture
            + "'; those that can be used end in ForCausalLM, LMHeadModel, ForSequenceClassification,"
            + " ForTokenClassification. Train one with: attune train --model "
            + folder.base());
  }

  /** Transformers takes one output for a score where problem_type says nothing. */
  private static Task ofSequences(ModelFolder folder) {
    boolean score =
        folder.config().path("problem_type").asText("").equals("regression")
            || outputs(folder) == 1;
    return score ? Task.REGRESSION : Task.CLASSIFICATION;
  }

  private static int outputs(ModelFolder folder) {
    int named = folder.labelNames().size();
    return named > 0 ? named : folder.savedOutputs().orElse(DEFAULT_OUTPUTS);
  }

  /** The labels in the order of the outputs; null where the task has none. */
  static LabelMap labels(ModelFolder folder, Task task) {
    if (task != Task.CLASSIFICATION && task != Task.TOKEN_CLASSIFICATION) {
      return null;
    }
    List<String> names = folder.labelNames();
    if (names.isEmpty()) {
      // Transformers leaves the default names out.
      names = IntStream.range(0, outputs(folder)).mapToObj(id -> "LABEL_" + id).toList();
    }
    int saved = folder.savedOutputs().orElse(names.size());
    if (saved != names.size()) {
      throw new InputException(
          String.format(
              "%s: the saved head has %d outputs, but %d labels are named: %s",
              folder.path(), saved, names.size(), LabelMap.ofNames(names).describe()));
    }
    return LabelMap.ofNames(names);
  }

  /**
   * Writes what a head's outputs mean, as Transformers has it in config.json; a language model's
   * are its tokens.
   *
   * @param labels in the order of the outputs; null where the task has none
   */
  static void describe(ObjectNode json, Task task, LabelMap labels) {
    switch (task) {
      case CLASSIFICATION, TOKEN_CLASSIFICATION -> {
        json.set("id2label", labels.id2label());
        json.set("label2id", labels.label2id());
      }
      case REGRESSION -> {
        json.putObject("id2label").put("0", "LABEL_0");
        json.putObject("label2id").put("LABEL_0", 0);
      }
      case CAUSAL_LM -> {}
    }
    switch (task) {
      case CLASSIFICATION -> json.put("problem_type", "single_label_classification");
      case REGRESSION -> json.put("problem_type", "regression");
      case TOKEN_CLASSIFICATION, CAUSAL_LM -> {}
    }
  }

  /** What PEFT calls a task. */
  static String peftType(Task task) {
    return switch (task) {
      case CAUSAL_LM -> "CAUSAL_LM";
      case TOKEN_CLASSIFICATION -> "TOKEN_CLS";
      case CLASSIFICATION, REGRESSION -> "SEQ_CLS";
    };
  }

  /** What Transformers' class names end in that have a head for a task. */
  static String architectureSuffix(Task task) {
    return switch (task) {
      case CAUSAL_LM -> "ForCausalLM";
      case TOKEN_CLASSIFICATION -> "ForTokenClassification";
      case CLASSIFICATION, REGRESSION -> "ForSequenceClassification";
    };
  }
}
