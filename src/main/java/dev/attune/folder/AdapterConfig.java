package dev.attune.folder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.hub.Hub;
import dev.attune.store.Initialization;
import dev.attune.store.LoraConfig;
import dev.attune.store.ModuleTargets;
import dev.attune.store.PythonPattern;
import dev.attune.store.TrainedBeside;
import dev.attune.store.TrainedBeside.Biases;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * An adapter's adapter_config.json, as PEFT writes it.
 *
 * @param lora ranks, scales, targets, and what is trained beside
 * @param base name, with its revision, or folder of the model it belongs to; empty: not said
 * @param taskType PEFT's: SEQ_CLS, TOKEN_CLS, CAUSAL_LM …; empty: not said
 * @param id2label label names; not PEFT's own, but some write them here; an absent one is empty
 */
public record AdapterConfig(LoraConfig lora, String base, String taskType, JsonNode id2label) {

  /** Keys that change nothing in how an adapter is applied. */
  private static final Set<String> HARMLESS =
      Set.of(
          "auto_mapping",
          "fan_in_fan_out", // follows from the base model
          "inference_mode",
          "label2id",
          "megatron_core",
          "num_labels",
          "peft_version",
          "qalora_group_size", // of use_qalora
          "runtime_config",
          // What initialisations of this name read; the initialisation itself is checked.
          "corda_config",
          "eva_config",
          "loftq_config",
          "lora_ga_config");

  private static final Set<String> READ =
      Set.of(
          "alpha_pattern",
          "base_model_name_or_path",
          "bias",
          "ensure_weight_tying",
          "exclude_modules",
          "id2label",
          "init_lora_weights",
          "layers_pattern",
          "layers_to_transform",
          "lora_alpha",
          "lora_bias",
          "lora_dropout",
          "modules_to_save",
          "peft_type",
          "r",
          "rank_pattern",
          "revision",
          "target_modules",
          "task_type",
          "trainable_token_indices",
          "use_dora",
          "use_rslora");

  private static final Set<String> MAY_BE_PATTERNS = Set.of("target_modules", "exclude_modules");

  /** PEFT's names of tasks. */
  private static final Set<String> TASK_TYPES =
      Set.of(
          "SEQ_CLS",
          "SEQ_2_SEQ_LM",
          "CAUSAL_LM",
          "TOKEN_CLS",
          "QUESTION_ANS",
          "FEATURE_EXTRACTION");

  /** Initialisations that leave the base's weights as they are, beside those that are made here. */
  private static final Set<String> PLAIN_STARTS = Set.of("false", "eva", "orthogonal");

  /** What keys ask for that are not supported, and what helps. */
  private static final Map<String, String> REMEDIES =
      Map.ofEntries(
          Map.entry(
              "alora_invocation_tokens",
              "an activated adapter works from these tokens on only, which no merged model can do;"
                  + " train a plain one"),
          Map.entry("arrow_config", "a router over several adapters; use one of them"),
          Map.entry("kasa_config", "it cuts the base's weights down; merge it in PEFT"),
          Map.entry(
              "layer_replication",
              "the model has layers more than once; build and save that model first, and train an"
                  + " adapter of it"),
          Map.entry("megatron_config", "it is of layers spread over devices; convert it in PEFT"),
          Map.entry("monteclora_config", "it is drawn anew at each use; merge it in PEFT"),
          Map.entry(
              "target_parameters",
              "it adapts weights by their own names; merge it in PEFT, or train an adapter of the"
                  + " modules that hold them, which target_modules names"),
          Map.entry("use_bdlora", "its matrices are in blocks; merge it in PEFT"),
          Map.entry("use_qalora", "its input is pooled by groups; merge it in PEFT"),
          Map.entry("velora_config", "it changes how PEFT trains; merge it in PEFT"));

  private static final String CONVERT =
      "Save it in PEFT with path_initial_model_for_weight_conversion, which makes a plain adapter of"
          + " it; where base_model_name_or_path is the changed base itself, as it was saved, the"
          + " adapter is a plain one already: set init_lora_weights to true";

  /** The keys that are read, change nothing, or are refused with what helps. */
  static Set<String> knownKeys() {
    Set<String> keys = new TreeSet<>(READ);
    keys.addAll(HARMLESS);
    keys.addAll(REMEDIES.keySet());
    return keys;
  }

  /**
   * Reads the adapter_config.json of a folder.
   *
   * @throws InputException naming the key, where it asks for what cannot be applied: nothing is
   *     ignored
   */
  public static AdapterConfig read(Path folder) {
    Path file = folder.resolve(ModelFiles.ADAPTER_CONFIG);
    ObjectNode json = ModelFiles.readObject(file);
    try {
      return of(json);
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
  }

  private static AdapterConfig of(ObjectNode json) {
    String type = json.path("peft_type").asText();
    if (!type.equals("LORA")) {
      throw new InputException(
          (type.isEmpty() ? "peft_type is missing" : "peft_type is " + json.path("peft_type"))
              + "; supported is \"LORA\". Merge an adapter of another kind with its base in PEFT"
              + " (merge_and_unload), and use the model that this makes");
    }
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      if (!READ.contains(key) && !HARMLESS.contains(key) && asksForSomething(entry.getValue())) {
        String remedy = REMEDIES.get(key);
        throw new InputException(
            key
                + " is "
                + entry.getValue()
                + (remedy == null
                    ? "; no such key is known, so what it changes cannot be applied. Where it"
                        + " changes nothing, take it from the file"
                    : ", which is not supported: " + remedy));
      }
    }
    if (flag(json, "use_dora") && flag(json, "lora_bias")) {
      throw new InputException("lora_bias is true beside use_dora, which PEFT has no adapter for");
    }
    int rank = json.has("r") ? whole("r", json.get("r")) : 8;
    if (rank < 1) {
      throw new InputException("r is " + rank + "; a rank is at least 1");
    }
    LoraConfig lora =
        new LoraConfig(
            rank,
            number(json, "lora_alpha", 8),
            (float) number(json, "lora_dropout", 0),
            targets(json),
            flag(json, "use_rslora"),
            flag(json, "use_dora"),
            patterns(json),
            start(json),
            beside(json));
    return new AdapterConfig(
        lora,
        Hub.withRevision(
            json.path("base_model_name_or_path").asText(""),
            json.path("revision").isTextual() ? json.path("revision").asText() : null),
        taskType(json),
        json.path("id2label"));
  }

  /** Null, false, {} and [] ask for nothing, whatever the key is. */
  private static boolean asksForSomething(JsonNode value) {
    return !(value.isMissingNode()
        || value.isNull()
        || value.isBoolean() && !value.booleanValue()
        || value.isContainerNode() && value.isEmpty());
  }

  /** Python takes any string for true, Java none: what is no boolean is no answer. */
  private static boolean flag(ObjectNode json, String key) {
    JsonNode value = json.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return false;
    }
    if (!value.isBoolean()) {
      throw new InputException(key + " is " + value + "; it must be true or false");
    }
    return value.booleanValue();
  }

  private static double number(ObjectNode json, String key, double ifAbsent) {
    return json.has(key) ? number(key, json.get(key)) : ifAbsent;
  }

  private static double number(String key, JsonNode value) {
    if (!value.isNumber()) {
      throw new InputException(key + " is " + value + "; it must be a number");
    }
    return value.doubleValue();
  }

  private static int whole(String key, JsonNode value) {
    if (!value.isInt()) {
      throw new InputException(key + " is " + value + "; it must be a whole number");
    }
    return value.intValue();
  }

  private static ModuleTargets targets(ObjectNode json) {
    JsonNode modules = json.path("target_modules");
    JsonNode excluded = json.path("exclude_modules");
    if (!asksForSomething(modules)) {
      throw new InputException("target_modules is " + modules + "; it must name modules");
    }
    if (modules.isTextual() && asksForSomething(json.path("layers_to_transform"))) {
      throw new InputException(
          "layers_to_transform needs target_modules as a list; it is " + modules);
    }
    boolean isAll = modules.asText().equalsIgnoreCase(ModuleTargets.ALL_LINEAR);
    return new ModuleTargets(
        isAll ? List.of(ModuleTargets.ALL_LINEAR) : texts("target_modules", modules),
        isAll ? null : pattern("target_modules", modules),
        texts("exclude_modules", excluded),
        pattern("exclude_modules", excluded),
        integers("layers_to_transform", json.path("layers_to_transform")),
        modules.isTextual() ? List.of() : oneOrMore(json.path("layers_pattern")));
  }

  /** A string is a regular expression. */
  private static PythonPattern pattern(String key, JsonNode value) {
    return value.isTextual() && !value.asText().isEmpty()
        ? PythonPattern.compile(value.asText(), key)
        : null;
  }

  /** The entries of a list; of null, and of a pattern, none. */
  private static List<String> texts(String key, JsonNode list) {
    List<String> texts = new ArrayList<>();
    boolean isPattern = list.isTextual() && MAY_BE_PATTERNS.contains(key);
    if (!list.isArray() && !isPattern && asksForSomething(list)) {
      throw new InputException(key + " is " + list + "; it must be a list of names");
    }
    if (list.isArray()) {
      for (JsonNode entry : list) {
        if (!entry.isTextual()) {
          throw new InputException(key + " has " + entry + ", which is no name");
        }
        texts.add(entry.asText());
      }
    }
    return texts;
  }

  private static List<String> oneOrMore(JsonNode value) {
    return value.isTextual() && !value.asText().isEmpty()
        ? List.of(value.asText())
        : texts("layers_pattern", value);
  }

  private static List<Integer> integers(String key, JsonNode value) {
    List<Integer> integers = new ArrayList<>();
    if (value.isInt()) {
      return List.of(value.intValue());
    }
    if (!value.isArray() && asksForSomething(value)) {
      throw new InputException(key + " is " + value + "; it must be a list of whole numbers");
    }
    for (JsonNode entry : value) {
      if (!entry.isInt()) {
        throw new InputException(key + " has " + entry + ", which is no whole number");
      }
      integers.add(entry.intValue());
    }
    return integers;
  }

  private static LoraConfig.Patterns patterns(ObjectNode json) {
    Map<String, Integer> ranks = new LinkedHashMap<>();
    Map<String, Double> alphas = new LinkedHashMap<>();
    byName(json, "rank_pattern")
        .forEach(entry -> ranks.put(entry.getKey(), whole("rank_pattern", entry.getValue())));
    byName(json, "alpha_pattern")
        .forEach(entry -> alphas.put(entry.getKey(), number("alpha_pattern", entry.getValue())));
    return new LoraConfig.Patterns(ranks, alphas);
  }

  /** The entries of an object; of null none. */
  private static Set<Map.Entry<String, JsonNode>> byName(ObjectNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isObject() && asksForSomething(value)) {
      throw new InputException(key + " is " + value + "; it must be values by names of modules");
    }
    return value.properties();
  }

  private static String taskType(ObjectNode json) {
    JsonNode type = json.path("task_type");
    if (asksForSomething(type) && !TASK_TYPES.contains(type.asText())) {
      throw new InputException(
          "task_type is "
              + type
              + ", which PEFT has not; it must be null or one of "
              + String.join(", ", new TreeSet<>(TASK_TYPES)));
    }
    return type.asText("");
  }

  /** Some initialisations change the base's weights too: the adapter is nothing without those. */
  private static Initialization start(ObjectNode json) {
    String start = json.path("init_lora_weights").asText("true");
    if (PLAIN_STARTS.contains(start)) {
      return Initialization.TRUE;
    }
    return Initialization.named(start)
        .orElseThrow(
            () -> new InputException("init_lora_weights is \"" + start + "\": " + why(start)));
  }

  private static String why(String start) {
    if (start.startsWith("pissa_niter_")) {
      return "the base lost what a random approximation found when this adapter was begun, and PEFT"
          + " itself finds another at each load. "
          + CONVERT;
    }
    return switch (start) {
      case "corda" ->
          "the base lost what its covariances on data chose, and these are not in the folder; PEFT"
              + " does not load it either. "
              + CONVERT;
      case "lora_ga" ->
          "the base lost what its gradients on data chose, and these are not in the folder; PEFT"
              + " applies such an adapter to the unchanged base, which is not what was trained. "
              + CONVERT;
      case "loftq" ->
          "the base was rounded to few bits by LoftQ when this adapter was begun. Save that base in"
              + " PEFT, and say where it is with base_model_name_or_path, with init_lora_weights"
              + " true";
      default ->
          "no such initialisation is known, so whether the base's weights were changed when this"
              + " adapter was begun cannot be said. "
              + CONVERT;
    };
  }

  private static TrainedBeside beside(ObjectNode json) {
    String bias = json.path("bias").asText("none");
    Biases biases =
        switch (bias) {
          case "none", "null" -> Biases.NONE;
          case "all" -> Biases.ALL;
          case "lora_only" -> Biases.LORA_ONLY;
          default ->
              throw new InputException(
                  "bias is \"" + bias + "\"; supported are none, all and lora_only");
        };
    return new TrainedBeside(
        biases,
        flag(json, "lora_bias"),
        texts("modules_to_save", json.path("modules_to_save")),
        tokens(json.path("trainable_token_indices")),
        flag(json, "ensure_weight_tying"));
  }

  private static Map<String, List<Integer>> tokens(JsonNode indices) {
    Map<String, List<Integer>> tokens = new LinkedHashMap<>();
    String key = "trainable_token_indices";
    if (indices.isObject()) {
      indices
          .properties()
          .forEach(entry -> tokens.put(entry.getKey(), integers(key, entry.getValue())));
    } else if (asksForSomething(indices)) {
      tokens.put(TrainedBeside.WORDS, integers(key, indices));
    }
    return tokens;
  }

  /**
   * As PEFT writes it.
   *
   * @param targets modules that have an adapter: after their layer's number, or in full
   * @param saved modules that are saved whole
   * @param fanInFanOut whether the base stores these weights (in, out)
   */
  ObjectNode toJson(Set<String> targets, Set<String> saved, boolean fanInFanOut) {
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
    json.put("bias", lora.beside().biases().option());
    json.put("fan_in_fan_out", fanInFanOut);
    json.put("inference_mode", true);
    if (lora.initialization().changesBase()) {
      json.put("init_lora_weights", lora.initialization().option());
    } else {
      json.put("init_lora_weights", true);
    }
    targets.forEach(json.putArray("target_modules")::add);
    if (saved.isEmpty()) {
      json.putNull("modules_to_save");
    } else {
      saved.forEach(json.putArray("modules_to_save")::add);
    }
    if (lora.beside().lowRankBiases()) {
      json.put("lora_bias", true);
    }
    if (lora.beside().keepsTied()) {
      json.put("ensure_weight_tying", true);
    }
    Map<String, List<Integer>> tokens = lora.beside().tokens();
    if (tokens.containsKey(TrainedBeside.WORDS)) {
      tokens.get(TrainedBeside.WORDS).forEach(json.putArray("trainable_token_indices")::add);
    } else if (!tokens.isEmpty()) {
      ObjectNode byModule = json.putObject("trainable_token_indices");
      tokens.forEach((module, ids) -> ids.forEach(byModule.putArray(module)::add));
    }
    LoraConfig.Patterns patterns = lora.patterns();
    if (!patterns.ranks().isEmpty()) {
      patterns.ranks().forEach(json.putObject("rank_pattern")::put);
    }
    if (!patterns.alphas().isEmpty()) {
      patterns.alphas().forEach(json.putObject("alpha_pattern")::put);
    }
    return json;
  }
}
