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
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
  private static final String SPECIAL = "special";

  private static final List<String> PLACES = List.of("single_word", "lstrip", "rstrip");

  private AddedTokens() {}

  /**
   * tokenizer.json with the tokens that only the files beside it know of.
   *
   * @param config tokenizer_config.json
   * @param isBuilt whether the folder has no tokenizer.json: what was built in its place has tokens
   *     as the class has them by itself, and files that say more of one count
   */
  static String merged(String tokenizer, JsonNode config, Path folder, boolean isBuilt) {
    try {
      Map<String, JsonNode> known = known(tokenizer);
      Map<String, JsonNode> ofFile = isBuilt ? Map.of() : known;
      SpecialTokens special = SpecialTokens.of(config, folder);
      Map<String, ObjectNode> stated = new LinkedHashMap<>();
      for (JsonNode token : numbered(ofFile, config, folder, special).values()) {
        state(stated, token, special.isNamed(spelling(token)));
      }
      Set<String> there = new HashSet<>(stated.keySet());
      there.addAll(ofFile.keySet());
      for (JsonNode token : special.tokens()) {
        boolean isAsBuilt = token.isTextual() && known.containsKey(spelling(token));
        if (!isAsBuilt && !there.contains(spelling(token))) {
          state(stated, token, special.isSpecial(token));
        }
      }
      stated.remove("");
      known.forEach(
          (spelling, token) -> {
            if (stated.containsKey(spelling)
                && keepSpecial(token, stated.get(spelling)).equals(flags(token, false))) {
              stated.remove(spelling);
            }
          });
      return stated.isEmpty() ? tokenizer : with(tokenizer, stated);
    } catch (IOException | ClassCastException | NumberFormatException e) {
      return tokenizer; // The native parser reports what is wrong, and where.
    }
  }

  /** The spellings of tokens that the files beside a vocabulary state with their ids, by these. */
  static List<String> numbered(JsonNode config, Path folder, SpecialTokens special) {
    return numbered(Map.of(), config, folder, special).values().stream()
        .map(AddedTokens::spelling)
        .filter(spelling -> !spelling.isEmpty())
        .toList();
  }

  /** Of two words on a token the last counts, but that it is special. */
  private static void state(Map<String, ObjectNode> stated, JsonNode token, boolean isSpecial) {
    ObjectNode flags = flags(token, isSpecial);
    stated.merge(spelling(token), flags, AddedTokens::keepSpecial);
  }

  private static ObjectNode keepSpecial(JsonNode before, ObjectNode flags) {
    boolean stays = before.path(SPECIAL).asBoolean(false);
    return flags.put(SPECIAL, stays || flags.path(SPECIAL).asBoolean());
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
        add(whole.withArray(KEY), next++, word, flags(MissingNode.getInstance(), false));
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

  /** The tokens that the files state with their ids, by these. */
  private static Map<Integer, JsonNode> numbered(
      Map<String, JsonNode> known, JsonNode config, Path folder, SpecialTokens special) {
    Map<Integer, JsonNode> numbered = new TreeMap<>();
    if (config.has(DECODER)) {
      for (Map.Entry<String, JsonNode> entry : config.get(DECODER).properties()) {
        numbered.put(Integer.parseInt(entry.getKey()), entry.getValue());
      }
      return numbered;
    }
    JsonNode added = JsonFile.read(folder.resolve("added_tokens.json"));
    for (Map.Entry<String, JsonNode> entry : added.properties()) {
      boolean isSpecial = special.makesSpecial(entry.getKey());
      numbered.put(
          entry.getValue().asInt(),
          JsonNodeFactory.instance
              .objectNode()
              .put("content", entry.getKey())
              .put("normalized", !isSpecial)
              .put(SPECIAL, isSpecial));
    }
    known.values().forEach(token -> numbered.put(token.path("id").asInt(), token));
    return numbered;
  }

  private static String spelling(JsonNode token) {
    return SpecialTokens.spelling(token);
  }

  /** New tokens have the ids that the library gives them, whatever the files state. */
  private static String with(String tokenizer, Map<String, ObjectNode> stated) throws IOException {
    ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
    Map<String, Integer> vocabulary = pieces(whole.path("model").path("vocab"));
    ArrayNode all = whole.withArray(KEY);
    for (JsonNode token : all) {
      ObjectNode flags = stated.get(spelling(token));
      if (flags != null) {
        ((ObjectNode) token).setAll(flags);
      }
    }
    all.forEach(token -> stated.remove(spelling(token)));
    int next = next(whole);
    for (Map.Entry<String, ObjectNode> entry : stated.entrySet()) {
      Integer id = vocabulary.get(entry.getKey());
      add(all, id == null ? next++ : id, entry.getKey(), entry.getValue());
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

  private static void add(ArrayNode all, int id, String spelling, ObjectNode flags) {
    all.addObject().put("id", id).put("content", spelling).setAll(flags);
  }

  /**
   * How a token meets a text, with the defaults of Transformers' AddedToken.
   *
   * @param isSpecial whether it is one even where it does not say so: once it is, it stays one
   */
  private static ObjectNode flags(JsonNode token, boolean isSpecial) {
    boolean special = token.path(SPECIAL).asBoolean(false);
    ObjectNode flags = JSON.createObjectNode();
    PLACES.forEach(place -> flags.put(place, token.path(place).asBoolean(false)));
    return flags
        .put("normalized", token.path("normalized").asBoolean(!special && !isSpecial))
        .put(SPECIAL, special || isSpecial);
  }

  /** Those of tokenizer.json by spelling. */
  private static Map<String, JsonNode> known(String tokenizer) throws IOException {
    Map<String, JsonNode> known = new HashMap<>();
    JsonFile.part(tokenizer, KEY).forEach(token -> known.put(spelling(token), token));
    return known;
  }
}
