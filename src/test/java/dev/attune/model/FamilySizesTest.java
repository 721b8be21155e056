package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every integer of a config.json, of every family, with values that no model has: each is refused
 * by its key at once, or taken as Transformers takes it.
 */
class FamilySizesTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration AT_ONCE = Duration.ofSeconds(5);
  private static final int ROWS = 1 << 24;
  private static final int ANY = Integer.MAX_VALUE;

  private static final List<String> VALUES =
      List.of(
          "0",
          "-1",
          "1",
          "2147483647",
          "2147483648",
          "2e9",
          "10000000000",
          "1e10",
          "1.5",
          "\"12\"",
          "null",
          "true",
          "[]",
          "{}");

  /**
   * A key that holds an integer.
   *
   * @param orNull whether Transformers' class takes null
   * @param isRelated whether a value may be refused for what another key says
   */
  private record Key(String name, long least, long most, boolean orNull, boolean isRelated) {
    static Key size(String name) {
      return new Key(name, 1, ROWS, false, false);
    }

    static Key layers(String name) {
      return new Key(name, 1, 4096, false, false);
    }

    static Key reach(String name) {
      return new Key(name, 1, ANY, false, false);
    }

    Key from(long smallest) {
      return new Key(name, smallest, most, orNull, isRelated);
    }

    Key to(long largest) {
      return new Key(name, least, largest, orNull, isRelated);
    }

    Key nullable() {
      return new Key(name, least, most, true, isRelated);
    }

    Key related() {
      return new Key(name, least, most, orNull, true);
    }

    boolean takes(JsonNode value) {
      return value.isNull()
          ? orNull
          : value.isInt() && value.intValue() >= least && value.intValue() <= most;
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static List<Key> of(String width, String heads, String layers, String inner) {
    return List.of(
        Key.size("vocab_size"),
        Key.size(width).related(),
        Key.size(heads).related(),
        Key.layers(layers),
        Key.size(inner));
  }

  private static List<Key> keys(String modelType) {
    List<Key> keys = new ArrayList<>();
    switch (modelType) {
      case "gpt2" -> {
        keys.addAll(of("n_embd", "n_head", "n_layer", "n_inner").subList(0, 4));
        keys.add(Key.size("n_inner").nullable());
        keys.add(Key.size("n_positions"));
      }
      case "distilbert" -> {
        keys.addAll(of("dim", "n_heads", "n_layers", "hidden_dim"));
        keys.add(Key.size("max_position_embeddings"));
      }
      case "nomic_bert" -> {
        keys.addAll(
            of("hidden_size", "num_attention_heads", "num_hidden_layers", "").subList(0, 4));
        keys.add(Key.size("intermediate_size").nullable());
      }
      default ->
          keys.addAll(
              of("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size"));
    }
    Key positions = Key.size("max_position_embeddings");
    Key types = Key.size("type_vocab_size");
    Key embedded = Key.size("embedding_size");
    Key keyValueHeads = Key.size("num_key_value_heads").nullable().related();
    Key headSize = Key.size("head_dim").nullable().related();
    Key original = Key.reach("original_max_position_embeddings").nullable();
    Key window = Key.reach("sliding_window").nullable();
    keys.addAll(
        switch (modelType) {
          case "bert" -> List.of(positions, types);
          case "roberta", "xlm-roberta", "camembert", "data2vec-text" ->
              List.of(positions.related(), types, Key.size("pad_token_id").from(0).related());
          case "electra" -> List.of(positions, types, embedded);
          case "ernie" -> List.of(positions, types, Key.size("task_type_vocab_size"));
          case "albert" ->
              List.of(
                  positions,
                  types,
                  embedded,
                  Key.size("num_hidden_groups"),
                  Key.size("inner_group_num").to(4096 / 12));
          case "mpnet" ->
              List.of(positions.related(), Key.size("relative_attention_num_buckets").related());
          case "modernbert" ->
              List.of(
                  Key.reach("max_position_embeddings"),
                  Key.reach("global_attn_every_n_layers"),
                  Key.reach("local_attention"));
          case "deberta-v2" ->
              List.of(
                  positions,
                  types.from(0),
                  embedded,
                  Key.size("position_buckets").from(Integer.MIN_VALUE).related(),
                  Key.size("max_relative_positions").from(Integer.MIN_VALUE));
          case "eurobert", "llama" ->
              List.of(Key.reach("max_position_embeddings"), keyValueHeads, headSize, original);
          case "mistral" ->
              List.of(
                  Key.reach("max_position_embeddings"), keyValueHeads, headSize, window, original);
          case "qwen2", "qwen3" ->
              List.of(
                  Key.reach("max_position_embeddings"),
                  keyValueHeads,
                  modelType.equals("qwen3") ? Key.size("head_dim").related() : headSize,
                  window,
                  original,
                  Key.reach("max_window_layers").from(Integer.MIN_VALUE));
          case "nomic_bert" ->
              List.of(Key.reach("max_position_embeddings"), types, headSize, original);
          case "gpt_neox" -> List.of(Key.reach("max_position_embeddings"), original);
          default -> List.of();
        });
    return keys;
  }

  static Stream<Arguments> familiesAndKeys() {
    return Families.all().stream()
        .flatMap(
            family ->
                keys(family.modelType()).stream()
                    .map(key -> Arguments.of(family.modelType(), key)));
  }

  private static ObjectNode config(String modelType) {
    ObjectNode config = JSON.createObjectNode().put("model_type", modelType);
    if (modelType.equals("deberta-v2")) {
      config.put("relative_attention", true).put("pos_att_type", "c2p|p2c");
    }
    return config;
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  @ParameterizedTest
  @MethodSource("familiesAndKeys")
  void anIntegerIsTakenOrRefusedByName(String modelType, Key key) {
    for (String text : VALUES) {
      JsonNode value = json(text);
      JsonNode config = config(modelType).set(key.name, value);
      String refusal = null;
      try {
        assertTimeoutPreemptively(AT_ONCE, () -> Families.checked(config), key + ": " + text);
      } catch (InputException e) {
        refusal = e.getMessage();
      }
      String what = modelType + " " + key + ": " + text + ": " + refusal;
      if (refusal != null) {
        assertTrue(refusal.contains("'" + key + "'"), what);
        assertFalse(key.takes(value) && !key.isRelated, what);
      } else {
        assertTrue(key.takes(value), what);
      }
    }
  }

  /** A config.json that notes what it is asked for. */
  @SuppressWarnings("unchecked") // of Jackson's own deepCopy
  private static final class Asked extends ObjectNode {
    private final transient Set<String> keys = new TreeSet<>();

    Asked(ObjectNode config) {
      super(JsonNodeFactory.instance);
      setAll(config);
    }

    @Override
    public JsonNode get(String key) {
      keys.add(key);
      return super.get(key);
    }
  }

  /** The lists above are whole: no other key of a family wants an integer. */
  @ParameterizedTest
  @MethodSource("modelTypes")
  void everyIntegerOfAFamilyIsTried(String modelType) {
    Asked all = new Asked(config(modelType));
    Families.checked(all);
    Set<String> rest = new TreeSet<>(all.keys);
    keys(modelType).forEach(key -> rest.remove(key.name));
    rest.remove("model_type");
    for (String key : rest) {
      try {
        Families.checked(config(modelType).put(key, "a dozen"));
      } catch (InputException e) {
        // A second name of a key is refused by the first.
        boolean isOfKey = e.getMessage().contains("'" + key + "'");
        assertFalse(isOfKey && e.getMessage().contains("an integer"), e.getMessage());
      }
    }
  }

  static Stream<String> modelTypes() {
    return Families.all().stream().map(Families.Entry::modelType);
  }

  @Test
  void headsThatDoNotDivideAreNamed() {
    for (Map.Entry<String, String> at :
        Map.of(
                "bert", "'hidden_size' is 768, which is not a multiple of 'num_attention_heads', 7",
                "gpt2", "'n_embd' is 768, which is not a multiple of 'n_head', 7",
                "distilbert", "'dim' is 768, which is not a multiple of 'n_heads', 7")
            .entrySet()) {
      String key = at.getValue().replaceAll(".*'(n[^']*)'.*", "$1");
      JsonNode config = config(at.getKey()).put(key, 7);
      String message =
          assertThrows(InputException.class, () -> Families.checked(config)).getMessage();
      assertTrue(message.endsWith(at.getValue()), message);
    }
  }

  /** Each of them is a size that a model may have; all of them together are none. */
  @Test
  void sizesThatTogetherMakeTooMuchAreRefused() {
    ObjectNode config = config("llama");
    config.put("hidden_size", 1 << 20).put("intermediate_size", 1 << 22).put("head_dim", 128);
    config.put("num_hidden_layers", 4096);
    String message =
        assertThrows(InputException.class, () -> Families.checked(config)).getMessage();
    assertTrue(message.contains("4096 layers make"), message);
    config.put("hidden_size", 4096).put("num_attention_heads", 1 << 20).put("head_dim", 1 << 20);
    assertTrue(
        assertThrows(InputException.class, () -> Families.checked(config))
            .getMessage()
            .contains("'num_attention_heads' is 1048576 and 'head_dim' 1048576"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "rope_scaling; \"linear\"",
        "rope_scaling; []",
        "rope_scaling; true",
        "rope_parameters; 3",
        "rope_parameters; {\"rope_type\": \"yarn\", \"factor\": 2, \"truncate\": \"false\"}",
        "rope_parameters; {\"rope_type\": \"yarn\", \"factor\": 2, \"beta_fast\": true}",
        "rope_parameters; {\"rope_type\": \"yarn\", \"factor\": 2, \"mscale\": \"abc\"}",
        "rope_parameters; {\"rope_type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 1,"
            + " \"high_freq_factor\": 4, \"original_max_position_embeddings\": 1e10}",
        "rope_parameters; {\"rope_type\": \"yarn\", \"factor\": 2,"
            + " \"original_max_position_embeddings\": 0.5}",
        "rope_parameters; {\"rope_type\": \"linear\", \"factor\": 1e999}",
        "rope_theta; 1e999",
        "rope_theta; []"
      })
  void rotaryPositionsThatAreNoneAreRefusedByName(String key, String value) {
    JsonNode config = config("llama").set(key, json(value));
    String message =
        assertThrows(InputException.class, () -> Families.checked(config)).getMessage();
    String last = value.replaceAll(".*\"(\\w+)\": [^:]*$", "$1");
    assertTrue(message.contains("'" + (last.equals(value) ? key : last) + "'"), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {"[]", "\"full_attention\"", "[3, 4]", "{\"0\": \"x\"}"})
  void kindsOfLayersThatAreNoListOfAllAreRefused(String types) {
    ObjectNode config = config("qwen2").put("num_hidden_layers", 2);
    config.set("layer_types", json(types));
    String message =
        assertThrows(InputException.class, () -> Families.checked(config)).getMessage();
    assertTrue(message.contains("'layer_types'"), message);
  }

  @ParameterizedTest
  @CsvSource({
    "bert, hidden_dropout_prob",
    "bert, tie_word_embeddings",
    "bert, hidden_act",
    "gpt2, layer_norm_epsilon",
    "modernbert, classifier_dropout",
    "llama, attention_bias"
  })
  void nullIsNoValueWhereTransformersTakesNone(String modelType, String key) {
    JsonNode config = config(modelType).putNull(key);
    String message =
        assertThrows(InputException.class, () -> Families.checked(config)).getMessage();
    assertTrue(message.contains("'" + key + "' is null"), message);
  }

  @ParameterizedTest
  @CsvSource({
    "bert, classifier_dropout",
    "llama, attention_dropout",
    "llama, rope_scaling",
    "qwen2, layer_types",
    "deberta-v2, embedding_size_of_nobody"
  })
  void nullIsAsAbsentWhereTransformersTakesIt(String modelType, String key) {
    assertNotNull(Families.checked(config(modelType).putNull(key)));
  }
}
