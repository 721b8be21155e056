package dev.attune.folder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.hub.Hub;
import dev.attune.store.LoraConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An adapter's adapter_config.json, as PEFT writes it.
 *
 * @param lora rank, scale and targets
 * @param base name, with its revision, or folder of the model it belongs to; empty: not said
 * @param taskType PEFT's: SEQ_CLS, TOKEN_CLS, CAUSAL_LM …; empty: not said
 * @param savedModules last parts of the names of modules that are saved whole beside the adapter
 *     ("modules_to_save"): a head
 * @param id2label label names; not PEFT's own, but some write them here; an absent one is empty
 */
public record AdapterConfig(
    LoraConfig lora, String base, String taskType, List<String> savedModules, JsonNode id2label) {

  /** Keys that change nothing in how an adapter is applied. */
  private static final Set<String> HARMLESS =
      Set.of(
          "auto_mapping",
          "ensure_weight_tying",
          "fan_in_fan_out", // follows from the base model
          "inference_mode",
          "label2id",
          "layers_pattern", // says where layers_to_transform count
          "megatron_core",
          "num_labels",
          "peft_version",
          "qalora_group_size", // of use_qalora
          // What initialisations of this name read; the initialisation itself is checked.
          "corda_config",
          "eva_config",
          "loftq_config",
          "lora_ga_config");

  private static final Set<String> READ =
      Set.of(
          "base_model_name_or_path",
          "id2label",
          "init_lora_weights",
          "lora_alpha",
          "lora_dropout",
          "modules_to_save",
          "peft_type",
          "r",
          "revision",
          "target_modules",
          "task_type",
          "use_dora",
          "use_rslora");

  /** Initialisations that leave the base's weights as they are. */
  private static final Set<String> PLAIN_STARTS =
      Set.of("true", "false", "gaussian", "eva", "orthogonal");

  /**
   * Reads the adapter_config.json of a folder.
   *
   * @throws InputException naming the key, where it asks for what cannot be applied: nothing is
   *     ignored
   */
  public static AdapterConfig read(Path folder) {
    Path file = folder.resolve(ModelFiles.ADAPTER_CONFIG);
    ObjectNode json = ModelFiles.readObject(file);
    if (!json.path("peft_type").asText().equals("LORA")) {
      throw unsupported(file, json, "peft_type", "\"LORA\"");
    }
    checkStart(file, json);
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      if (!READ.contains(key) && !HARMLESS.contains(key) && asksForSomething(key, entry)) {
        throw unsupported(file, json, key, key.equals("bias") ? "\"none\"" : "none");
      }
    }
    List<String> targets = new ArrayList<>();
    JsonNode modules = json.path("target_modules");
    if (modules.isTextual()) {
      if (!modules.asText().equals(LoraConfig.ALL_LINEAR)) {
        throw unsupported(file, json, "target_modules", "a list, or " + LoraConfig.ALL_LINEAR);
      }
      targets.add(LoraConfig.ALL_LINEAR);
    } else {
      modules.forEach(module -> targets.add(module.asText()));
    }
    List<String> saved = new ArrayList<>();
    json.path("modules_to_save").forEach(module -> saved.add(module.asText()));
    try {
      LoraConfig lora =
          new LoraConfig(
              json.path("r").asInt(),
              json.path("lora_alpha").asDouble(),
              (float) json.path("lora_dropout").asDouble(0),
              targets,
              json.path("use_rslora").asBoolean(false),
              json.path("use_dora").asBoolean(false));
      return new AdapterConfig(
          lora,
          Hub.withRevision(
              json.path("base_model_name_or_path").asText(""),
              json.path("revision").isTextual() ? json.path("revision").asText() : null),
          json.path("task_type").asText(""),
          List.copyOf(saved),
          json.path("id2label"));
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
  }

  /** Null, false, {} and [] ask for nothing, whatever the key is. */
  private static boolean asksForSomething(String key, Map.Entry<String, JsonNode> entry) {
    JsonNode value = entry.getValue();
    boolean empty =
        value.isNull()
            || value.isBoolean() && !value.booleanValue()
            || value.isContainerNode() && value.isEmpty();
    return !empty && !(key.equals("bias") && value.asText().equals("none"));
  }

  /** Some initialisations change the base's weights too: the adapter is nothing without those. */
  private static void checkStart(Path file, ObjectNode json) {
    String start = json.path("init_lora_weights").asText("true");
    if (!PLAIN_STARTS.contains(start)) {
      throw new InputException(
          file
              + ": init_lora_weights is \""
              + start
              + "\": the weights of the base were changed when this adapter was begun, and it was"
              + " trained for those. Save it in PEFT with"
              + " path_initial_model_for_weight_conversion, which makes a plain adapter of it");
    }
  }

  private static InputException unsupported(
      Path file, ObjectNode json, String key, String supported) {
    return new InputException(
        file + ": " + key + " is " + json.path(key) + "; supported is " + supported);
  }

  /**
   * As PEFT writes it.
   *
   * @param targets modules that have an adapter, after their layer's number
   * @param fanInFanOut whether the base stores these weights (in, out)
   */
  ObjectNode toJson(Set<String> targets, boolean fanInFanOut) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("peft_type", "LORA");
    json.put("task_type", taskType);
    json.put("base_model_name_or_path", Hub.withoutRevision(base));
    json.put("revision", Hub.revision(base));
    json.put("r", lora.rank());
    json.put("lora_alpha", lora.alpha());
    json.put("lora_dropout", lora.dropout());
    json.put("use_rslora", lora.rankStabilized());
    json.put("use_dora", lora.weightDecomposed());
    json.put("bias", "none");
    json.put("fan_in_fan_out", fanInFanOut);
    json.put("inference_mode", true);
    json.put("init_lora_weights", true);
    targets.forEach(json.putArray("target_modules")::add);
    if (savedModules.isEmpty()) {
      json.putNull("modules_to_save");
    } else {
      savedModules.forEach(json.putArray("modules_to_save")::add);
    }
    return json;
  }
}
