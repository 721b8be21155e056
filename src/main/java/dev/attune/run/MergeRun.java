package dev.attune.run;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.Backend;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.task.Task;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/** Makes one model folder of an adapter and its base model. */
public final class MergeRun {
  /**
   * What came out.
   *
   * @param output the model's folder
   */
  public record Outcome(Path output) {}

  private MergeRun() {}

  /** Merges. */
  public static Outcome run(RunConfig config) {
    Path path = Path.of(config.required(RunOption.MODEL));
    Path output = Path.of(config.required(RunOption.OUTPUT_DIR));
    ModelFolder adapter = ModelFolder.open(path, OpenOptions.of(config).base());
    if (!adapter.isAdapter()) {
      throw new InputException(
          RunOption.MODEL.with(path)
              + " is a model, not an adapter: it has no adapter_config.json");
    }
    Task task = Tasks.of(adapter, TaskOptions.NONE);
    LoraConfig lora = adapter.adapter().lora();
    ParameterBuilder builder = new ParameterBuilder();
    builder.adapt(lora, path.toString());
    builder.forMerge();
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    try (Backend backend = Backends.open(BackendKind.CPU, threads);
        OutputFolder folder =
            OutputFolder.prepare(output, null, config.flag(RunOption.OVERWRITE), false);
        TextTokenizer tokenizer = adapter.openTokenizer();
        Model model = task.model(backend, adapter.config(), null, builder)) {
      AdapterWeights.load(path, adapter.adapter(), adapter.base(), model);
      AdapterWeights.merge(model, lora);
      FinishedModel merged =
          FinishedModel.whole(
              model,
              describe(adapter, task),
              dtype(adapter.config()),
              tokenizer,
              adapter.generationConfig(),
              beyondHead(adapter.attune()));
      int length = TrainedModel.maxLength(OpenOptions.DEFAULT, adapter, task, model, tokenizer);
      task.finished(merged, model.width(), length).install(folder.folder());
      return new Outcome(folder.folder());
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the model could not be saved in " + output + ": " + OutputFolder.describe(e), e);
    }
  }

  /** The base's config.json with what the adapter's head means. */
  private static ObjectNode describe(ModelFolder adapter, Task task) {
    ObjectNode json = adapter.config();
    task.describe(json, JsonNodeFactory.instance.objectNode());
    return json;
  }

  /** What training noted, without what now stands in config.json. */
  private static ObjectNode beyondHead(ObjectNode attune) {
    attune.remove(List.of("id2label", "label2id", "problem_type"));
    return attune;
  }

  /** The type in which the base's weights are stored. */
  private static String dtype(ObjectNode json) {
    String name = json.path("dtype").asText(json.path("torch_dtype").asText("float32"));
    return switch (name) {
      case "bfloat16" -> "BF16";
      case "float16" -> "F16";
      default -> "F32";
    };
  }
}
