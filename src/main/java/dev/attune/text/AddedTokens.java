package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Tokens that were added to a tokenizer. They stand in tokenizer.json; where the files beside it
 * know of others, Transformers adds those as it loads: {@code added_tokens_decoder} of
 * tokenizer_config.json or, in folders without, special_tokens_map.json and added_tokens.json; then
 * the special tokens that tokenizer_config.json names.
 *
 * <p>Source: {@code PreTrainedTokenizerBase._from_pretrained} and {@code TokenizersBackend} of
 * Transformers 5.18.
 */
final class AddedTokens {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String KEY = "added_tokens";
  private static final String DECODER = "added_tokens_decoder";

  /** The roles of special tokens, as Transformers names them in its files. */
  static final List<String> NAMED =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  /** Lists of further special tokens, or tokens by names; the older word first. */
  private static final List<String> FURTHER =
      List.of("additional_special_tokens", "extra_special_tokens");

  private AddedTokens() {}

  /**
   * tokenizer.json with the tokens that only the files beside it know of.
   *
   * @param config tokenizer_config.json
   */
  static String merged(String tokenizer, JsonNode config, Path folder) {
    try {
      Set<String> known = known(tokenizer);
      Map<Integer, JsonNode> numbered = new TreeMap<>();
      Map<String, JsonNode> special = new LinkedHashMap<>();
      collect(config, folder, numbered, special);
      numbered.values().removeIf(token -> known.contains(spelling(token)));
      numbered.values().forEach(token -> special.remove(spelling(token)));
      special.keySet().removeAll(known);
      return numbered.isEmpty() && special.isEmpty()
          ? tokenizer
          : with(tokenizer, numbered, special);
    } catch (IOException | ClassCastException | NumberFormatException e) {
      return tokenizer; // The native parser reports what is wrong, and where.
    }
  }

  /**
   * tokenizer.json with more tokens, numbered on from those there are, as Transformers' {@code
   * add_tokens} adds words.
   *
   * @param words none of which is a token
   */
  static String extended(String tokenizer, List<String> words) {
    try {
      ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
      int next = next(whole);
      for (String word : words) {
        add(whole.withArray(KEY).addObject(), next++, word, MissingNode.getInstance(), false);
      }
      return JSON.writeValueAsString(whole);
    } catch (IOException e) {
      throw new IllegalStateException("a tokenizer that was read before cannot be read", e);
    }
  }

  /**
   * tokenizer_config.json with all added tokens of a tokenizer.json: classes that build a tokenizer
   * themselves, such as BertTokenizer, look for them there alone.
   */
  static ObjectNode named(JsonNode config, String tokenizer) {
    try {
      ObjectNode out = config.isObject() ? config.deepCopy() : JSON.createObjectNode();
      ObjectNode decoder = out.putObject(DECODER);
      for (JsonNode token : WholeJson.of(tokenizer).path(KEY)) {
        ObjectNode flags = token.deepCopy();
        flags.remove("id");
        decoder.set(token.path("id").asText(), flags);
      }
      return out;
    } catch (IOException e) {
      throw new IllegalStateException("a tokenizer that was read before cannot be read", e);
    }
  }

  /** The id behind all others. */
  private static int next(JsonNode tokenizer) {
    int next = pieces(tokenizer.path("model").path("vocab")).size();
    for (JsonNode token : tokenizer.path(KEY)) {
      next = Math.max(next, token.path("id").asInt() + 1);
    }
    return next;
  }

  private static void collect(
      JsonNode config,
      Path folder,
      Map<Integer, JsonNode> numbered,
      Map<String, JsonNode> special) {
    for (String name : NAMED) {
      addSpecial(config.path(name), special);
    }
    FURTHER.forEach(list -> config.path(list).forEach(token -> addSpecial(token, special)));
    if (config.has(DECODER)) {
      for (Map.Entry<String, JsonNode> entry : config.get(DECODER).properties()) {
        numbered.put(Integer.parseInt(entry.getKey()), entry.getValue());
      }
      return;
    }
    JsonNode map = JsonFile.read(folder.resolve("special_tokens_map.json"));
    NAMED.forEach(name -> addSpecial(map.path(name), special));
    FURTHER.forEach(list -> map.path(list).forEach(token -> addSpecial(token, special)));
    JsonNode added = JsonFile.read(folder.resolve("added_tokens.json"));
    for (Map.Entry<String, JsonNode> entry : added.properties()) {
      boolean isSpecial = special.containsKey(entry.getKey());
      numbered.put(
          entry.getValue().asInt(),
          JsonNodeFactory.instance
              .objectNode()
              .put("content", entry.getKey())
              .put("special", isSpecial));
    }
  }

  private static void addSpecial(JsonNode token, Map<String, JsonNode> special) {
    String spelling = token.isTextual() ? token.asText() : spelling(token);
    if (!spelling.isEmpty()) {
      special.putIfAbsent(spelling, token);
    }
  }

  private static String spelling(JsonNode token) {
    return token.path("content").asText("");
  }

  private static String with(
      String tokenizer, Map<Integer, JsonNode> numbered, Map<String, JsonNode> special)
      throws IOException {
    ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
    Map<String, Integer> vocabulary = pieces(whole.path("model").path("vocab"));
    ArrayNode all = whole.withArray(KEY);
    numbered.forEach((id, token) -> add(all.addObject(), id, spelling(token), token, false));
    int next = next(whole);
    for (Map.Entry<String, JsonNode> entry : special.entrySet()) {
      Integer id = vocabulary.get(entry.getKey());
      add(all.addObject(), id == null ? next++ : id, entry.getKey(), entry.getValue(), true);
    }
    return JSON.writeValueAsString(whole);
  }

  /** Ids by spelling, of all tokens of a tokenizer.json, added ones included. */
  static Map<String, Integer> vocabulary(JsonNode tokenizer) {
    Map<String, Integer> ids = pieces(tokenizer.path("model").path("vocab"));
    tokenizer.path(KEY).forEach(token -> ids.put(spelling(token), token.path("id").asInt()));
    return ids;
  }

  /** Ids by spelling: of an object, or of a list of pieces with their scores. */
  private static Map<String, Integer> pieces(JsonNode vocab) {
    Map<String, Integer> ids = new HashMap<>();
    if (vocab.isArray()) {
      vocab.forEach(piece -> ids.put(piece.path(0).asText(), ids.size()));
    } else {
      vocab.properties().forEach(entry -> ids.put(entry.getKey(), entry.getValue().asInt()));
    }
    return ids;
  }

  /** With the defaults of Transformers' AddedToken. */
  private static void add(
      ObjectNode added, int id, String spelling, JsonNode token, boolean isNamedSpecial) {
    boolean special = isNamedSpecial || token.path("special").asBoolean(false);
    added.put("id", id).put("content", spelling);
    for (String flag : List.of("single_word", "lstrip", "rstrip")) {
      added.put(flag, token.path(flag).asBoolean(false));
    }
    added.put("normalized", token.path("normalized").asBoolean(!special)).put("special", special);
  }

  /** The spellings in tokenizer.json, of which little but these is read. */
  private static Set<String> known(String tokenizer) throws IOException {
    Set<String> known = new HashSet<>();
    try (JsonParser parser = JSON.getFactory().createParser(tokenizer)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean wanted = parser.currentName().equals(KEY);
        parser.nextToken();
        if (wanted) {
          JSON.<JsonNode>readTree(parser).forEach(t -> known.add(spelling(t)));
          break;
        }
        parser.skipChildren();
      }
    }
    return known;
  }
}
