package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.AdapterFolder;
import dev.attune.checkpoint.ModelFolder;
import dev.attune.checkpoint.ModelInstall;
import dev.attune.core.InputException;
import dev.attune.hub.Hub;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

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
    Path adapter = Path.of(config.required(RunOption.MODEL));
    if (!AdapterFolder.is(adapter)) {
      throw new InputException(
          "--model " + adapter + " is not an adapter: it has no " + AdapterFolder.CONFIG);
    }
    Path output = Path.of(config.required(RunOption.OUTPUT_DIR));
    AdapterFolder.Description description = AdapterFolder.describe(adapter);
    Path base = base(config, description);
    ObjectNode json = ModelFolder.readConfig(base);
    ObjectNode attune = TrainedModel.readAttune(adapter);
    Task task = TrainedModel.adapterTask(adapter, attune, json);
    int outputs = Math.max(1, attune.path("id2label").size());
    ParameterBuilder builder = new ParameterBuilder();
    builder.adapt(description.lora(), adapter.toString());
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    try (Backend backend = Backends.open("cpu", threads);
        OutputFolder folder =
            OutputFolder.prepare(output, config.flag(RunOption.OVERWRITE), false);
        TextTokenizer tokenizer = TextTokenizer.open(base);
        Model model = Families.create(backend, json, task.head(), outputs, null, builder)) {
      ModelFolder.Loaded loaded = ModelFolder.load(base, model, 0);
      AdapterFolder.load(adapter, model, loaded.created());
      AdapterFolder.merge(model, description.lora());
      String dtype = dtype(json);
      json.putArray("architectures").add(model.architecture());
      for (String key : new String[] {"id2label", "label2id", "problem_type"}) {
        if (attune.has(key)) {
          json.set(key, attune.get(key));
        }
      }
      ModelInstall.install(
          folder.folder(),
          target -> {
            ModelFolder.writeWeights(
                target.resolve("model.safetensors"), model.parameters(), dtype);
            ModelFolder.writeJson(target.resolve("config.json"), json);
            if (!attune.isEmpty()) {
              ModelFolder.writeJson(target.resolve("attune.json"), attune);
            }
            copyGenerationConfig(base, target);
            tokenizer.saveTo(target);
          });
      return new Outcome(folder.folder());
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the model could not be saved in " + output + ": " + OutputFolder.describe(e), e);
    }
  }

  /** The folder of an adapter's base model: the option wins over what the adapter says. */
  static Path base(RunConfig config, AdapterFolder.Description description) {
    String name =
        config.isGiven(RunOption.BASE_MODEL)
            ? config.text(RunOption.BASE_MODEL)
            : description.base();
    if (name.isEmpty()) {
      throw new InputException("the adapter does not name its base model; give --base-model");
    }
    try {
      return Hub.resolve(name, progress -> {});
    } catch (InputException e) {
      throw new InputException(
          "the adapter's base model "
              + name
              + " cannot be opened: "
              + e.getMessage()
              + "; where it has moved, give --base-model",
          e);
    }
  }

  static void copyGenerationConfig(Path from, Path to) throws IOException {
    Path file = from.resolve("generation_config.json");
    if (Files.isRegularFile(file)) {
      Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** The type in which the base's weights are stored. */
  private static String dtype(JsonNode json) {
    String name = json.path("dtype").asText(json.path("torch_dtype").asText("float32"));
    return switch (name) {
      case "bfloat16" -> "BF16";
      case "float16" -> "F16";
      default -> "F32";
    };
  }
}
