package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.Activation;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The config.json of a model, as a family reads it: each key that is asked for counts as known,
 * with the default of Transformers' configuration class where it is absent, and {@link #finish}
 * refuses what nobody asked for. So no key that would change the numbers is ever passed over.
 *
 * <p>A value of null counts as absent where Transformers' class takes it so ({@link #orNull}); a
 * number, word or flag that may not be null is refused.
 */
public final class FamilyConfig {
  /**
   * Rows or columns of a table at most: more than any model has, and products of two fit a long.
   */
  private static final int MOST = 1 << 24;

  /** Layers at most. */
  public static final int MOST_LAYERS = 1 << 12;

  /** Keys of any family that change no number here, each with the reason. */
  private static final Map<String, String> HARMLESS = new HashMap<>();

  /** Keys that some families read, and that change no number of the others. */
  private static final Set<String> READ_BY_SOME = Set.of("is_decoder", "pad_token_id");

  static {
    harmless("says which model this is; the registry reads it", "model_type", "architectures");
    harmless(
        "names code of the model's own, which Transformers does not run unless told to trust it,"
            + " where it knows the model's type",
        "auto_map");
    harmless("where the file comes from", "_name_or_path", "name_or_path", "_commit_hash");
    harmless(
        "which program wrote the file, or reads it",
        "transformers_version",
        "transformers.js_config",
        "unsloth_version",
        "unsloth_fixed");
    harmless("how the weights are stored; their file says so itself", "dtype", "torch_dtype");
    harmless(
        "labels: read with the head, not with the body",
        "id2label",
        "label2id",
        "num_labels",
        "_num_labels",
        "problem_type",
        "finetuning_task");
    harmless(
        "ids of special tokens: the tokenizer's files decide",
        "bos_token_id",
        "eos_token_id",
        "cls_token_id",
        "sep_token_id",
        "unk_token_id",
        "mask_token_id",
        "decoder_start_token_id",
        "tokenizer_class",
        "prefix");
    harmless(
        "what a program returns or caches, not what it computes",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "output_past",
        "return_dict",
        "keys_to_ignore_at_inference");
    harmless(
        "how a program computes the same numbers",
        "torchscript",
        "use_bfloat16",
        "_attn_implementation",
        "attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "_experts_implementation",
        "chunk_size_feed_forward",
        "gradient_checkpointing",
        "reorder_and_upcast_attn",
        "pretraining_tp",
        "reference_compile",
        "deterministic_flash_attn",
        "base_model_tp_plan",
        "base_model_pp_plan");
    harmless(
        "of generation: generation_config.json decides",
        "max_length",
        "min_length",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "bad_words_ids",
        "num_return_sequences",
        "output_scores",
        "return_dict_in_generate",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "remove_invalid_values",
        "exponential_decay_length_penalty",
        "suppress_tokens",
        "begin_suppress_tokens",
        "task_specific_params");
  }

  private static void harmless(String reason, String... keys) {
    for (String key : keys) {
      HARMLESS.put(key, reason);
    }
  }

  private final JsonNode json;
  private final Float dropout;
  private final Set<String> known = new TreeSet<>();
  private final Set<String> nullable = new HashSet<>();
  private final Map<String, String> single = new TreeMap<>();
  private final Set<String> ignored = new TreeSet<>();
  private final Map<String, String> aliases = new HashMap<>();

  /**
   * @param json an object
   * @param dropout replaces every dropout of the model; null keeps them
   */
  FamilyConfig(JsonNode json, Float dropout) {
    this.json = json;
    this.dropout = dropout;
  }

  /** Why a key changes nothing, for any family; null if it may. */
  static String harmlessReason(String key) {
    return HARMLESS.get(key);
  }

  /** The keys that change nothing, for any family. */
  static Set<String> harmlessKeys() {
    return new TreeSet<>(HARMLESS.keySet());
  }

  /**
   * The keys that the families which do not read them pass over: whether rows see those that follow
   * is of BERT and its relatives, and where positions begin of RoBERTa's, by the id of padding.
   */
  static Set<String> keysReadBySome() {
    return new TreeSet<>(READ_BY_SOME);
  }

  private static boolean isHarmless(String key) {
    return HARMLESS.containsKey(key) || READ_BY_SOME.contains(key);
  }

  /**
   * What a family made of the keys that it knows: any other is refused.
   *
   * @param counted those whose values count
   * @param single those of which one value alone is taken, with that value
   * @param ignored those that change no number of it
   */
  record Keys(Set<String> counted, Map<String, String> single, Set<String> ignored) {}

  /** The keys that were asked for so far. */
  Keys keys() {
    Set<String> counted = new TreeSet<>(known);
    counted.removeAll(single.keySet());
    counted.removeAll(ignored);
    return new Keys(counted, new TreeMap<>(single), new TreeSet<>(ignored));
  }

  /** Lets a key have a second name, as attribute_map of Transformers' classes does. */
  public FamilyConfig alias(String key, String second) {
    aliases.put(key, second);
    return this;
  }

  /** The value of a key, which counts as known from here on; null where it is absent or null. */
  public JsonNode value(String key) {
    known.add(key);
    JsonNode value = json.get(key);
    String alias = aliases.get(key);
    if (alias != null) {
      known.add(alias);
      JsonNode other = json.get(alias);
      if (json.hasNonNull(key) && json.hasNonNull(alias) && !value.equals(other)) {
        throw new InputException(
            "config.json: '"
                + key
                + "' is "
                + value
                + ", '"
                + alias
                + "', which means the same, is "
                + other);
      }
      value = json.hasNonNull(key) ? value : other;
    }
    return value == null || value.isNull() ? null : value;
  }

  /** Whether the key is there, as null: not the same as absent where the default is a number. */
  public boolean isNull(String key) {
    known.add(key);
    return json.has(key) && json.get(key).isNull();
  }

  /** Lets keys be null, which is as if they were not there. */
  public FamilyConfig orNull(String... keys) {
    nullable.addAll(List.of(keys));
    return this;
  }

  /** The value of a key that may be null only where {@link #orNull} says so. */
  private JsonNode stated(String key, String needed) {
    JsonNode value = value(key);
    if (value == null && !nullable.contains(key)) {
      for (String name : new String[] {key, aliases.get(key)}) {
        if (name != null && json.has(name)) {
          throw wrong(name, json.get(name), needed);
        }
      }
    }
    return value;
  }

  /** Rows or columns of a table: an integer from 1 to 16,777,216. */
  public int positive(String key, int otherwise) {
    return integer(key, otherwise, 1, MOST);
  }

  /** How many layers there are: an integer from 1 to 4,096. */
  public int layers(String key, int otherwise) {
    return integer(key, otherwise, 1, MOST_LAYERS);
  }

  /** How far something reaches, of which there is no table: any positive integer. */
  public int reach(String key, int otherwise) {
    return integer(key, otherwise, 1, Integer.MAX_VALUE);
  }

  /** An id, or rows of a table that may have none: an integer from 0 to 16,777,216. */
  public int id(String key, int otherwise) {
    return integer(key, otherwise, 0, MOST);
  }

  /** An integer within bounds, which are inclusive. */
  public int integer(String key, int otherwise, int least, int most) {
    String needed = "an integer from " + least + " to " + most;
    JsonNode value = stated(key, needed);
    if (value == null) {
      return otherwise;
    }
    if (!value.isInt() || value.intValue() < least || value.intValue() > most) {
      throw wrong(key, value, needed);
    }
    return value.intValue();
  }

  /** A number that is not negative and not infinite. */
  public float number(String key, float otherwise) {
    JsonNode value = stated(key, "a number that is not negative");
    if (value == null) {
      return otherwise;
    }
    if (!value.isNumber() || !(value.floatValue() >= 0) || Float.isInfinite(value.floatValue())) {
      throw wrong(key, value, "a number that is not negative");
    }
    return value.floatValue();
  }

  /** A probability of dropout, or what replaces it. */
  public float dropout(String key, float otherwise) {
    float value = number(key, otherwise);
    if (value >= 1) {
      throw wrong(key, json.get(key), "a probability below 1");
    }
    return dropout == null ? value : dropout;
  }

  /** True or false. */
  public boolean flag(String key, boolean otherwise) {
    JsonNode value = stated(key, "true or false");
    if (value == null) {
      return otherwise;
    }
    if (!value.isBoolean()) {
      throw wrong(key, value, "true or false");
    }
    return value.booleanValue();
  }

  /** A word. */
  public String text(String key, String otherwise) {
    JsonNode value = stated(key, "a word");
    if (value == null) {
      return otherwise;
    }
    if (!value.isTextual()) {
      throw wrong(key, value, "a word");
    }
    return value.textValue();
  }

  /** An activation function. */
  public Activation activation(String key, String otherwise) {
    return Activation.named(text(key, otherwise))
        .orElseThrow(() -> wrong(key, value(key), "one of " + Activation.names()));
  }

  /** An object, or null. */
  public JsonNode object(String key) {
    JsonNode value = value(key);
    if (value != null && !value.isObject()) {
      throw wrong(key, value, "an object");
    }
    return value;
  }

  /** A list of words, or null. */
  public List<String> texts(String key) {
    JsonNode value = value(key);
    if (value == null) {
      return null;
    }
    List<String> texts = new ArrayList<>();
    for (JsonNode each : value) {
      texts.add(each.isTextual() ? each.textValue() : null);
    }
    if (!value.isArray() || texts.contains(null)) {
      throw wrong(key, value, "a list of words");
    }
    return texts;
  }

  /** Which layers have a window: layer_types; null where the file does not say. */
  public boolean[] slidingLayers(int layers) {
    List<String> types = texts("layer_types");
    if (types == null) {
      return null;
    }
    if (types.size() != layers
        || !Set.of("sliding_attention", "full_attention").containsAll(types)) {
      throw wrong(
          "layer_types",
          json.get("layer_types"),
          "full_attention or sliding_attention for each of the " + layers + " layers");
    }
    boolean[] sliding = new boolean[layers];
    for (int i = 0; i < layers; i++) {
      sliding[i] = types.get(i).equals("sliding_attention");
    }
    return sliding;
  }

  /**
   * An even share of the width for each head.
   *
   * @param widthKey where the width stands
   * @param headsKey where the heads stand
   */
  public static int headSize(String widthKey, int width, String headsKey, int heads) {
    if (width % heads != 0) {
      throw new InputException(
          "config.json: '"
              + widthKey
              + "' is "
              + width
              + ", which is not a multiple of '"
              + headsKey
              + "', "
              + heads);
    }
    return width / heads;
  }

  /**
   * Notes a key that would change the numbers and of which one value alone is supported.
   *
   * @param supported what it has to be where it is there
   */
  public FamilyConfig only(String key, Object supported) {
    single.put(key, supported.toString());
    JsonNode value = value(key);
    boolean same =
        supported instanceof Number && value != null && value.isNumber()
            ? value.doubleValue() == ((Number) supported).doubleValue()
            : value == null || value.asText().equals(supported.toString());
    if (!same && !isEmpty(value)) {
      throw new InputException(
          "config.json: '"
              + key
              + "' is "
              + value
              + ", which is not supported; "
              + supported
              + " is");
    }
    return this;
  }

  /** Notes a key that may be there only as an empty list or object. */
  public FamilyConfig onlyEmpty(String key) {
    return only(key, "nothing");
  }

  private static boolean isEmpty(JsonNode value) {
    return value.isContainerNode() && value.isEmpty();
  }

  /**
   * Notes keys that change no number of this family.
   *
   * @param reason why, for whoever reads the family's page
   */
  public FamilyConfig ignore(String reason, String... keys) {
    known.addAll(List.of(keys));
    ignored.addAll(List.of(keys));
    return this;
  }

  /**
   * Ends the reading.
   *
   * @throws InputException naming each key that was not asked for and is not known to be harmless
   */
  public void finish() {
    only("is_encoder_decoder", false);
    only("add_cross_attention", false);
    only("tie_encoder_decoder", false);
    onlyEmpty("pruned_heads");
    onlyEmpty("cross_attention_hidden_size");
    List<String> unknown = new ArrayList<>();
    json.fieldNames()
        .forEachRemaining(
            key -> {
              if (!known.contains(key) && !isHarmless(key) && json.hasNonNull(key)) {
                unknown.add("'" + key + "': " + json.get(key));
              }
            });
    if (json.hasNonNull("quantization_config")) {
      throw new InputException(
          "config.json: 'quantization_config' says that these weights are quantised already"
              + " (quant_method "
              + json.get("quantization_config").path("quant_method").asText("not stated")
              + "); load the model they were made from, with "
              + Term.LOAD_IN_4BIT
              + " or "
              + Term.LOAD_IN_8BIT);
    }
    if (!unknown.isEmpty()) {
      boolean isOne = unknown.size() == 1;
      throw new InputException(
          "config.json: "
              + String.join(", ", unknown)
              + (isOne ? " is a key" : " are keys")
              + " that no "
              + json.path("model_type").asText()
              + " model here knows; "
              + (isOne ? "it" : "they")
              + " may change what the model computes. Remove "
              + (isOne ? "it if it does not" : "them if they do not"));
    }
  }

  private static InputException wrong(String key, JsonNode value, String needed) {
    return new InputException(
        "config.json: '" + key + "' is " + value + "; " + needed + " is needed");
  }
}
