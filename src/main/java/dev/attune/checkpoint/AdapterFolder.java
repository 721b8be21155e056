package dev.attune.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.store.AdapterMerge;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.task.Task;
import dev.attune.weights.Safetensors;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Reads and writes adapters as PEFT does: adapter_config.json and adapter_model.safetensors. */
public final class AdapterFolder {
  /** The file that makes a folder an adapter's. */
  public static final String CONFIG = "adapter_config.json";

  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String PREFIX = "base_model.model.";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * What adapter_config.json says.
   *
   * @param base name or folder of the model it belongs to
   */
  public record Description(LoraConfig lora, String base) {}

  private AdapterFolder() {}

  /** Whether a folder holds an adapter rather than a model. */
  public static boolean is(Path folder) {
    return Files.isRegularFile(folder.resolve(CONFIG));
  }

  /** Reads adapter_config.json; what Attune cannot apply is an error, never ignored. */
  public static Description describe(Path folder) {
    Path file = folder.resolve(CONFIG);
    JsonNode json;
    try {
      json = JSON.readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": not valid JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
    require(file, json, "peft_type", json.path("peft_type").asText().equals("LORA"), "LORA");
    require(file, json, "bias", json.path("bias").asText("none").equals("none"), "none");
    require(file, json, "rank_pattern", json.path("rank_pattern").isEmpty(), "none");
    require(file, json, "alpha_pattern", json.path("alpha_pattern").isEmpty(), "none");
    boolean everyLayer = !json.hasNonNull("layers_to_transform");
    require(file, json, "layers_to_transform", everyLayer, "null: every layer");
    List<String> targets = new ArrayList<>();
    JsonNode modules = json.path("target_modules");
    if (modules.isTextual()) {
      boolean allLinear = modules.asText().equals(LoraConfig.ALL_LINEAR);
      require(file, json, "target_modules", allLinear, "a list, or " + LoraConfig.ALL_LINEAR);
      targets.add(LoraConfig.ALL_LINEAR);
    } else {
      modules.forEach(module -> targets.add(module.asText()));
    }
    try {
      LoraConfig lora =
          new LoraConfig(
              json.path("r").asInt(),
              json.path("lora_alpha").asDouble(),
              (float) json.path("lora_dropout").asDouble(0),
              targets,
              json.path("use_rslora").asBoolean(false),
              json.path("use_dora").asBoolean(false));
      return new Description(lora, json.path("base_model_name_or_path").asText(""));
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
  }

  private static void require(
      Path file, JsonNode json, String key, boolean supported, String wanted) {
    if (!supported) {
      throw new InputException(
          file + ": " + key + " is " + json.path(key) + "; supported is " + wanted);
    }
  }

  /**
   * Reads an adapter's tensors, and those of its head, into a model that was built with its {@link
   * LoraConfig} and whose base weights are loaded.
   *
   * @param created tensors of the head that the base lacks: these the adapter must have
   * @throws InputException if the adapter belongs to another model
   */
  public static void load(Path folder, Model model, List<String> created) {
    Path file = folder.resolve(WEIGHTS);
    if (!Files.isRegularFile(file)) {
      throw new InputException(folder + " is not an adapter: it has no " + WEIGHTS);
    }
    Parameters parameters = model.parameters();
    try (WeightSource source = Safetensors.open(file)) {
      Set<String> unused = new HashSet<>(source.names());
      for (Segment segment : parameters.segments()) {
        if (!isSaved(model, segment)) {
          continue;
        }
        String name = PREFIX + segment.name();
        if (!unused.remove(name)) {
          if (model.isHead(segment.name()) && !created.contains(segment.name())) {
            continue;
          }
          throw misfit(file, "there is no tensor " + name);
        }
        long[] shape = source.info(name).shape();
        if (!Arrays.equals(shape, segment.shape())) {
          throw misfit(
              file,
              name
                  + " has shape "
                  + Arrays.toString(shape)
                  + ", this base model needs "
                  + Arrays.toString(segment.shape()));
        }
        ModelFolder.read(source, name, parameters, segment);
      }
      if (!unused.isEmpty()) {
        throw misfit(file, new TreeSet<>(unused).first() + " has no place in this base model");
      }
    }
  }

  private static InputException misfit(Path file, String what) {
    return new InputException(file + ": " + what + "; the adapter belongs to another model");
  }

  private static boolean isSaved(Model model, Segment segment) {
    return LoraConfig.isAdapter(segment.name()) || model.isHead(segment.name());
  }

  /**
   * Writes the adapter of a model, with its head.
   *
   * @param base name or folder of the model it belongs to
   * @param task that the model was trained for
   */
  public static void write(Path folder, Model model, LoraConfig lora, String base, Task task)
      throws IOException {
    Parameters parameters = model.parameters();
    SafetensorsWriter writer = new SafetensorsWriter();
    Set<String> adapted = new TreeSet<>();
    Set<String> heads = new TreeSet<>();
    boolean transposed = false;
    for (Segment segment : parameters.segments()) {
      if (!isSaved(model, segment)) {
        continue;
      }
      writer.add(
          PREFIX + segment.name(), "F32", segment.shape(), ModelFolder.chunks(parameters, segment));
      String module = module(segment.name());
      if (LoraConfig.isAdapter(segment.name())) {
        adapted.add(LoraConfig.suffix(module));
        Layout layout = parameters.segment(module + ".weight").layout();
        transposed |= layout instanceof Layout.Transposed;
      } else {
        heads.add(module);
      }
    }
    writer.write(folder.resolve(WEIGHTS));
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("peft_type", "LORA");
    json.put("task_type", task.type().peftType());
    json.put("base_model_name_or_path", base);
    json.put("r", lora.rank());
    json.put("lora_alpha", lora.alpha());
    json.put("lora_dropout", lora.dropout());
    json.put("use_rslora", lora.rankStabilized());
    json.put("use_dora", lora.weightDecomposed());
    json.put("bias", "none");
    json.put("fan_in_fan_out", transposed);
    json.put("inference_mode", true);
    json.put("init_lora_weights", true);
    adapted.forEach(json.putArray("target_modules")::add);
    if (heads.isEmpty()) {
      json.putNull("modules_to_save");
    } else {
      heads.forEach(json.putArray("modules_to_save")::add);
    }
    ModelFolder.writeJson(folder.resolve(CONFIG), json);
  }

  private static String module(String tensorName) {
    for (String suffix : LoraConfig.SUFFIXES) {
      if (tensorName.endsWith(suffix)) {
        return tensorName.substring(0, tensorName.length() - suffix.length());
      }
    }
    return tensorName.substring(0, tensorName.lastIndexOf('.'));
  }

  /**
   * Makes every adapter part of the weight it belongs to; the model must hold its weights unfrozen.
   */
  public static void merge(Model model, LoraConfig lora) {
    Parameters parameters = model.parameters();
    for (Segment down : parameters.segments()) {
      if (down.name().endsWith(LoraConfig.DOWN)) {
        String module = module(down.name());
        Segment weight = parameters.segment(module + ".weight");
        AdapterMerge.addProduct(
            parameters, weight, parameters.segment(module + LoraConfig.UP), down, lora.scale());
        if (lora.weightDecomposed()) {
          AdapterMerge.setRowNorms(
              parameters, weight, parameters.segment(module + LoraConfig.MAGNITUDE));
        }
      }
    }
  }
}
