package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The special tokens that tokenizer_config.json names and, in folders whose configuration has no
 * {@code added_tokens_decoder}, special_tokens_map.json, whose word then is the last.
 *
 * <p>Source: {@code PreTrainedTokenizerBase._from_pretrained} of Transformers 5.18.
 */
final class SpecialTokens {
  /** The roles of special tokens, as Transformers names them in its files. */
  private static final List<String> ROLES =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  private static final String MAP = "special_tokens_map.json";
  private static final String DECODER = "added_tokens_decoder";
  private static final String OWN = "model_specific_special_tokens";
  private static final String TYPE = "__type"; // of an object that is a token

  /** Lists of further special tokens, or tokens by names; the older word last. */
  private static final String FURTHER = "extra_special_tokens";

  private static final String FURTHER_BEFORE = "additional_special_tokens";

  private static final String TEXT_END = "<|endoftext|>";

  /** Special tokens of classes of language models, where the files do not name them. */
  private static final Map<String, Map<String, String>> USUAL =
      Map.of(
          "GPT2Tokenizer",
          Map.of("unk_token", TEXT_END, "bos_token", TEXT_END, "eos_token", TEXT_END),
          "GPTNeoXTokenizer",
          Map.of(
              "unk_token",
              TEXT_END,
              "bos_token",
              TEXT_END,
              "eos_token",
              TEXT_END,
              "pad_token",
              "<|padding|>"),
          "Qwen2Tokenizer",
          Map.of("unk_token", TEXT_END, "eos_token", TEXT_END, "pad_token", TEXT_END),
          "LlamaTokenizer",
          Map.of("unk_token", "<unk>", "bos_token", "<s>", "eos_token", "</s>"));

  /** What the files say, as the class is told it; of both files the last word. */
  private final Map<String, JsonNode> words = new LinkedHashMap<>();

  /** Objects of the map, which are tokens though they do not say so. */
  private final Set<JsonNode> typed = Collections.newSetFromMap(new IdentityHashMap<>());

  private final Map<String, JsonNode> own = new LinkedHashMap<>(); // by their names
  private final Map<String, JsonNode> named = new LinkedHashMap<>(); // all that have names
  private final List<JsonNode> further = new ArrayList<>();
  private final Set<String> sure = new HashSet<>();

  private SpecialTokens() {}

  /**
   * Of a folder.
   *
   * @param config its tokenizer_config.json
   */
  static SpecialTokens of(JsonNode config, Path folder) {
    SpecialTokens out = new SpecialTokens();
    out.readConfig(config);
    if (!config.has(DECODER)) {
      JsonFile.read(folder.resolve(MAP)).properties().forEach(out::readOfMap);
      out.takeOwn();
    }
    ROLES.forEach(role -> out.makeSure(out.words.get(role)));
    out.listed(FURTHER).forEach(out::makeSure);
    ROLES.forEach(role -> out.name(role, out.own.getOrDefault(role, out.words.get(role))));
    out.words.forEach(
        (key, value) -> {
          if (isOwn(key) && out.isToken(value)) {
            out.name(key, value);
          }
        });
    out.own.forEach(out::name);
    out.further.addAll(out.listed(out.words.containsKey(FURTHER) ? FURTHER : FURTHER_BEFORE));
    return out;
  }

  /** A model's own tokens are in the order of the file, spellings by themselves before a list. */
  private void readConfig(JsonNode config) {
    config.properties().forEach(entry -> words.put(entry.getKey(), entry.getValue()));
    JsonNode list = words.get(FURTHER);
    if (words.containsKey(FURTHER_BEFORE)
        && (list == null || list.isNull() || list.isContainerNode() && list.isEmpty())) {
      words.put(FURTHER, words.remove(FURTHER_BEFORE));
    }
    for (String key : List.copyOf(words.keySet())) {
      if (isOwn(key) && words.get(key).isTextual()) {
        own.put(key, words.remove(key));
      }
    }
    takeOwn();
    if (own.isEmpty()) {
      config.path(OWN).properties().forEach(entry -> own.put(entry.getKey(), entry.getValue()));
    }
  }

  /** Tokens by names may stand where else there is a list of tokens without. */
  private void takeOwn() {
    if (words.containsKey(FURTHER) && words.get(FURTHER).isObject()) {
      words
          .remove(FURTHER)
          .properties()
          .forEach(entry -> own.put(entry.getKey(), entry.getValue()));
    }
  }

  private void readOfMap(Map.Entry<String, JsonNode> entry) {
    JsonNode value = entry.getValue();
    if (!entry.getKey().equals(FURTHER)) {
      words.put(entry.getKey(), ofMap(value));
    } else if (value.isArray()) {
      Set<JsonNode> both = new LinkedHashSet<>(listed(FURTHER));
      value.forEach(token -> both.add(ofMap(token)));
      words.put(FURTHER, JsonNodeFactory.instance.arrayNode().addAll(both));
    } else {
      words.put(FURTHER, value);
    }
  }

  /** A token of the map is special, whatever it says. */
  private JsonNode ofMap(JsonNode value) {
    if (!value.isObject()) {
      return value;
    }
    ObjectNode token = ((ObjectNode) value.deepCopy()).put("special", true);
    typed.add(token);
    return token;
  }

  private List<JsonNode> listed(String key) {
    List<JsonNode> tokens = new ArrayList<>();
    JsonNode list = words.get(key);
    if (list != null && list.isArray()) {
      list.forEach(tokens::add);
    }
    return tokens;
  }

  private void makeSure(JsonNode token) {
    if (token != null && (token.isTextual() || typed.contains(token))) {
      sure.add(spelling(token));
    }
  }

  private void name(String name, JsonNode token) {
    if (token != null && !spelling(token).isEmpty()) {
      named.put(name, token);
    }
  }

  /** Whether it is a name that a model may give to a token of its own. */
  private static boolean isOwn(String key) {
    return key.endsWith("_token") && !ROLES.contains(key);
  }

  /** An object by itself is none. */
  private boolean isToken(JsonNode value) {
    return value.isTextual() || typed.contains(value) || value.has(TYPE);
  }

  /** The spelling of the token with a role; null: there is none. */
  String spelling(String role) {
    JsonNode token = named.get(role);
    return token == null ? null : spelling(token);
  }

  /** The spellings of all roles, those of the model's own included, as templates call them. */
  Map<String, String> spellings() {
    Map<String, String> spellings = new LinkedHashMap<>();
    named.forEach((role, token) -> spellings.put(role, spelling(token)));
    return spellings;
  }

  /**
   * The special tokens that a class of tokenizers has where the files do not name them, by roles.
   *
   * @param name of the class in Transformers
   */
  static Map<String, String> usual(String name) {
    return USUAL.getOrDefault(name, Map.of());
  }

  /** Whether the files say of a role which token has it, or that none does. */
  boolean state(String role) {
    return words.containsKey(role) || own.containsKey(role);
  }

  /**
   * All tokens in the order in which Transformers adds them; of two of a spelling the last counts.
   */
  Set<JsonNode> tokens() {
    Set<JsonNode> tokens = new LinkedHashSet<>(named.values());
    tokens.addAll(further);
    return tokens;
  }

  /** Whether a token is special that may say it is not: all are but some of those without names. */
  boolean isSpecial(JsonNode token) {
    return !token.has(TYPE) || isNamed(spelling(token));
  }

  /** Whether a token with a name is spelled so. */
  boolean isNamed(String spelling) {
    return named.values().stream().anyMatch(token -> spelling(token).equals(spelling));
  }

  /**
   * Whether a token of added_tokens.json is special by itself: where only the older word of
   * special_tokens_map.json says so it is not, as Transformers has it.
   */
  boolean makesSpecial(String spelling) {
    return sure.contains(spelling);
  }

  /** How a token is spelled; empty: it is none. */
  static String spelling(JsonNode token) {
    return token.isTextual() ? token.asText() : token.path("content").asText("");
  }
}
