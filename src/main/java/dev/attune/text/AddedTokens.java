package dev.attune.text;

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
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tokens that were added to a tokenizer. They stand in tokenizer.json; where the files beside it
 * know of others, Transformers adds those as it loads: {@code added_tokens_decoder} of
 * tokenizer_config.json or, in folders without, added_tokens.json; then the special tokens that the
 * files name. How a token meets the text around it is as {@code added_tokens_decoder} says, where
 * tokenizer.json says otherwise.
 *
 * <p>Source: {@code PreTrainedTokenizerBase._from_pretrained} and {@code TokenizersBackend} of
 * Transformers 5.18.
 */
final class AddedTokens {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String KEY = "added_tokens";
  private static final String DECODER = "added_tokens_decoder";

  private static final List<String> PLACES = List.of("single_word", "lstrip", "rstrip");

  private AddedTokens() {}

  /**
   * tokenizer.json with the tokens that only the files beside it know of.
   *
   * @param config tokenizer_config.json
   */
  static String merged(String tokenizer, JsonNode config, Path folder) {
    try {
      Map<String, JsonNode> known = known(tokenizer);
      SpecialTokens tokens = SpecialTokens.of(config, folder);
      Map<Integer, JsonNode> numbered = numbered(config, folder, tokens);
      Map<String, JsonNode> other = new HashMap<>(); // flags of tokens that are known
      if (config.has(DECODER)) {
        for (JsonNode token : numbered.values()) {
          JsonNode before = known.get(spelling(token));
          if (before != null && !flags(token, false).equals(flags(before, false))) {
            other.put(spelling(token), token);
          }
        }
      }
      numbered.values().removeIf(token -> known.containsKey(spelling(token)));
      Map<String, JsonNode> special = tokens.tokens();
      numbered.values().forEach(token -> special.remove(spelling(token)));
      special.keySet().removeAll(known.keySet());
      return numbered.isEmpty() && special.isEmpty() && other.isEmpty()
          ? tokenizer
          : with(tokenizer, numbered, special, other);
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

  /** The tokens that the files beside tokenizer.json state with their ids. */
  private static Map<Integer, JsonNode> numbered(
      JsonNode config, Path folder, SpecialTokens special) {
    Map<Integer, JsonNode> numbered = new TreeMap<>();
    if (config.has(DECODER)) {
      for (Map.Entry<String, JsonNode> entry : config.get(DECODER).properties()) {
        numbered.put(Integer.parseInt(entry.getKey()), entry.getValue());
      }
      return numbered;
    }
    JsonNode added = JsonFile.read(folder.resolve("added_tokens.json"));
    for (Map.Entry<String, JsonNode> entry : added.properties()) {
      numbered.put(
          entry.getValue().asInt(),
          JsonNodeFactory.instance
              .objectNode()
              .put("content", entry.getKey())
              .put("special", special.makesSpecial(entry.getKey())));
    }
    return numbered;
  }

  private static String spelling(JsonNode token) {
    return token.path("content").asText("");
  }

  private static String with(
      String tokenizer,
      Map<Integer, JsonNode> numbered,
      Map<String, JsonNode> special,
      Map<String, JsonNode> other)
      throws IOException {
    ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
    Map<String, Integer> vocabulary = pieces(whole.path("model").path("vocab"));
    ArrayNode all = whole.withArray(KEY);
    for (JsonNode token : all) {
      JsonNode stated = other.get(spelling(token));
      if (stated != null) {
        ((ObjectNode) token).setAll(flags(stated, token.path("special").asBoolean(false)));
      }
    }
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

  private static void add(
      ObjectNode added, int id, String spelling, JsonNode token, boolean isNamedSpecial) {
    added.put("id", id).put("content", spelling).setAll(flags(token, isNamedSpecial));
  }

  /**
   * How a token meets a text, with the defaults of Transformers' AddedToken.
   *
   * @param isSpecial whether it is one even where it does not say so: once it is, it stays one
   */
  private static ObjectNode flags(JsonNode token, boolean isSpecial) {
    boolean special = token.path("special").asBoolean(false);
    ObjectNode flags = JSON.createObjectNode();
    PLACES.forEach(place -> flags.put(place, token.path(place).asBoolean(false)));
    return flags
        .put("normalized", token.path("normalized").asBoolean(!special && !isSpecial))
        .put("special", special || isSpecial);
  }

  /** Those of tokenizer.json by spelling. */
  private static Map<String, JsonNode> known(String tokenizer) throws IOException {
    Map<String, JsonNode> known = new HashMap<>();
    JsonFile.part(tokenizer, KEY).forEach(token -> known.put(spelling(token), token));
    return known;
  }
}
