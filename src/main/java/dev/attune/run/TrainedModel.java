package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.AdapterFolder;
import dev.attune.checkpoint.ModelFolder;
import dev.attune.checkpoint.ModelInstall;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A fine-tuned model folder, opened for inference. */
final class TrainedModel implements AutoCloseable {
  private final Task task;
  private final Model model;
  private final TextTokenizer tokenizer;
  private final LabelMap labels;
  private final int maxLength;
  private final boolean trainOnPrompt;
  private final Path base;
  private final int vocabularySize;

  private TrainedModel(
      Task task,
      Model model,
      TextTokenizer tokenizer,
      LabelMap labels,
      int maxLength,
      boolean trainOnPrompt,
      Path base,
      int vocabularySize) {
    this.task = task;
    this.model = model;
    this.vocabularySize = vocabularySize;
    this.trainOnPrompt = trainOnPrompt;
    this.base = base;
    this.tokenizer = tokenizer;
    this.labels = labels;
    this.maxLength = maxLength;
  }

  /** Opens a folder whose head is trained; one without a head is refused. */
  static TrainedModel open(RunConfig config, Session session) {
    Path folder = Path.of(config.required(RunOption.MODEL));
    if (!Files.isDirectory(folder)) {
      throw new InputException("--model " + folder + " is not a folder");
    }
    try {
      ModelInstall.recover(folder);
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read: " + OutputFolder.describe(e), e);
    }
    boolean isAdapter = AdapterFolder.is(folder);
    AdapterFolder.Description adapter = isAdapter ? AdapterFolder.describe(folder) : null;
    Path base = isAdapter ? MergeRun.base(config, adapter) : folder;
    ObjectNode json = ModelFolder.readConfig(base);
    Families.checkSupported(json);
    ObjectNode outputs = isAdapter ? readAttune(folder) : json;
    Task task = isAdapter ? adapterTask(folder, outputs, json) : task(folder, json);
    LabelMap labels =
        task == Task.CLASSIFICATION || task == Task.TOKEN_CLASSIFICATION
            ? labels(folder, outputs)
            : null;
    TextTokenizer tokenizer =
        TextTokenizer.open(Files.exists(folder.resolve("tokenizer.json")) ? folder : base, base);
    Model model = null;
    try {
      model =
          Families.create(
              session.backend(),
              json,
              task.head(),
              labels == null ? 1 : labels.size(),
              null,
              builder(config, task, adapter, base, session));
      ModelFolder.Loaded loaded = ModelFolder.load(base, model, 0);
      if (isAdapter) {
        AdapterFolder.load(folder, model, loaded.created());
      } else if (!loaded.created().isEmpty()) {
        throw new InputException(
            folder
                + " holds no trained head (missing: "
                + String.join(", ", loaded.created())
                + "); fine-tune it first with: attune train --model "
                + folder);
      }
      model.parameters().prepare(session.precision());
      return new TrainedModel(
          task,
          model,
          tokenizer,
          labels,
          maxLength(config, folder, model),
          readAttune(folder).path("train_on_prompt").asBoolean(false),
          base,
          json.path("vocab_size").asInt());
    } catch (RuntimeException e) {
      tokenizer.close();
      if (model != null) {
        model.close();
      }
      throw e;
    }
  }

  /**
   * Weights that will not change are held in the type that products read, or in the folder's own
   * where that is narrower: bf16 weights widened to f32 would give the same numbers from twice the
   * memory, and texts as slowly as that is read. An encoder's stay as they were trained, so that
   * its scores are those that training reported.
   */
  private static ParameterBuilder builder(
      RunConfig config, Task task, AdapterFolder.Description adapter, Path base, Session session) {
    ParameterBuilder builder = new ParameterBuilder();
    if (adapter != null || task == Task.CAUSAL_LM) {
      DType precision = session.precision();
      boolean isNarrower =
          precision == DType.F32
              && (config.flag(RunOption.LOAD_IN_BF16)
                  || session.backend().readsNarrowWeights() && ModelFolder.hasBf16Matrices(base));
      DType matrices = isNarrower ? DType.BF16 : precision;
      builder.freeze(matrices, Adapters.held(config, matrices));
    }
    if (adapter != null) {
      builder.adapt(adapter.lora(), config.text(RunOption.MODEL));
    }
    return builder;
  }

  /** What training left beside the weights; empty where they were made elsewhere. */
  static ObjectNode readAttune(Path folder) {
    Path file = folder.resolve("attune.json");
    if (!Files.exists(file)) {
      return JsonNodeFactory.instance.objectNode();
    }
    try {
      return (ObjectNode) new ObjectMapper().readTree(file.toFile());
    } catch (IOException | ClassCastException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The task of an adapter: as it was trained, else as its base says. */
  static Task adapterTask(Path folder, ObjectNode attune, ObjectNode base) {
    return attune.hasNonNull("task")
        ? Task.ofOption(attune.get("task").asText())
        : task(folder, base);
  }

  private static Task task(Path folder, JsonNode json) {
    String architecture = json.path("architectures").path(0).asText("");
    if (architecture.endsWith("ForCausalLM") || architecture.endsWith("LMHeadModel")) {
      return Task.CAUSAL_LM;
    }
    if (architecture.endsWith("ForTokenClassification")) {
      return Task.TOKEN_CLASSIFICATION;
    }
    if (architecture.endsWith("ForSequenceClassification")) {
      boolean regression =
          json.path("problem_type").asText("").equals("regression")
              || json.path("id2label").size() == 1;
      return regression ? Task.REGRESSION : Task.CLASSIFICATION;
    }
    throw new InputException(
        folder
            + ": config.json names the architecture '"
            + architecture
            + "'; those that can be used end in ForCausalLM, LMHeadModel, ForSequenceClassification,"
            + " ForTokenClassification. Train one with: attune train --model "
            + folder);
  }

  private static LabelMap labels(Path folder, JsonNode json) {
    JsonNode id2label = json.path("id2label");
    List<String> names = new ArrayList<>();
    for (int id = 0; id < id2label.size(); id++) {
      JsonNode name = id2label.get(Integer.toString(id));
      if (name == null) {
        throw new InputException(folder + ": id2label of config.json has no entry for " + id);
      }
      names.add(name.asText());
    }
    if (names.isEmpty()) {
      // Transformers leaves the two default labels out.
      names.add("LABEL_0");
      names.add("LABEL_1");
    }
    return LabelMap.ofNames(names);
  }

  private static int maxLength(RunConfig config, Path folder, Model model) {
    if (config.isGiven(RunOption.MAX_LENGTH)) {
      int wanted = config.smallInteger(RunOption.MAX_LENGTH);
      if (wanted > model.maxLength()) {
        throw new InputException(
            "--max-length is "
                + wanted
                + ", the model has positions for "
                + model.maxLength()
                + " tokens");
      }
      return wanted;
    }
    int trained = readAttune(folder).path("max_length").asInt(model.maxLength());
    return Math.min(trained, model.maxLength());
  }

  /** What it was trained for. */
  Task task() {
    return task;
  }

  Model model() {
    return model;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  /** The folder with the model's config and weights; another than an adapter's own. */
  Path base() {
    return base;
  }

  /** V, as config.json states it. */
  int vocabularySize() {
    return vocabularySize;
  }

  /** Null for regression and language models. */
  LabelMap labels() {
    return labels;
  }

  int maxLength() {
    return maxLength;
  }

  /** Whether prompts were learned too, so that evaluation measures what training reported. */
  boolean trainOnPrompt() {
    return trainOnPrompt;
  }

  @Override
  public void close() {
    tokenizer.close();
    model.close();
  }
}
