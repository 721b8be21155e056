package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
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
  private static final String ROLE = "_token";

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

  private final Map<String, JsonNode> named = new LinkedHashMap<>();
  private final List<JsonNode> further = new ArrayList<>();
  private final Set<String> sure = new LinkedHashSet<>();
  private final Set<String> stated = new HashSet<>(); // roles, be it that there is no token

  private SpecialTokens() {}

  /**
   * Of a folder.
   *
   * @param config its tokenizer_config.json
   */
  static SpecialTokens of(JsonNode config, Path folder) {
    SpecialTokens out = new SpecialTokens();
    boolean mapCounts = !config.has(DECODER);
    JsonNode map = JsonFile.read(folder.resolve(MAP));
    Map<String, JsonNode> all = new HashMap<>();
    Set<String> own = new LinkedHashSet<>(ROLES); // names of a model's own come behind them
    for (JsonNode file : mapCounts ? List.of(config, map) : List.of(config)) {
      file.properties().stream()
          .filter(entry -> entry.getKey().endsWith(ROLE))
          .forEach(entry -> all.put(entry.getKey(), entry.getValue()));
      if (file.path(FURTHER).isObject()) {
        file.path(FURTHER).properties().forEach(entry -> all.put(entry.getKey(), entry.getValue()));
      }
    }
    out.stated.addAll(all.keySet());
    own.addAll(all.keySet().stream().sorted().toList());
    for (String role : own) {
      JsonNode token = all.get(role);
      if (token != null && !spelling(token).isEmpty()) {
        out.named.put(role, token);
      }
    }
    out.addFurther(config.path(FURTHER));
    if (out.further.isEmpty()) {
      out.addFurther(config.path(FURTHER_BEFORE));
    }
    out.addFurther(mapCounts ? map.path(FURTHER) : map.path(""));
    ROLES.stream().filter(out.named::containsKey).forEach(r -> out.sure.add(out.spelling(r)));
    out.further.forEach(token -> out.sure.add(spelling(token)));
    if (mapCounts && out.further.isEmpty()) {
      out.addFurther(map.path(FURTHER_BEFORE));
    }
    return out;
  }

  private void addFurther(JsonNode list) {
    if (list.isArray()) {
      list.forEach(further::add);
    }
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
    return stated.contains(role);
  }

  /** All tokens by their spellings, in the order in which Transformers adds them. */
  Map<String, JsonNode> tokens() {
    Map<String, JsonNode> tokens = new LinkedHashMap<>();
    named.values().forEach(token -> tokens.putIfAbsent(spelling(token), token));
    further.forEach(token -> tokens.putIfAbsent(spelling(token), token));
    tokens.remove("");
    return tokens;
  }

  /**
   * Whether a token of added_tokens.json is special: where only the older word of
   * special_tokens_map.json says so it is not, as Transformers has it.
   */
  boolean makesSpecial(String spelling) {
    return sure.contains(spelling);
  }

  private static String spelling(JsonNode token) {
    return token.isTextual() ? token.asText() : token.path("content").asText("");
  }
}
