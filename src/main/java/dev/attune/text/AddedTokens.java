package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Tokens that were added to a tokenizer. They stand in tokenizer.json; where tokenizer_config.json
 * ("added_tokens_decoder") knows of others, Transformers adds those as it loads.
 */
final class AddedTokens {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String KEY = "added_tokens";

  private AddedTokens() {}

  /** tokenizer.json with the tokens that tokenizer_config.json alone knows of, by rising ids. */
  static String merged(String tokenizer, JsonNode config) {
    JsonNode decoder = config.path("added_tokens_decoder");
    if (decoder.isEmpty()) {
      return tokenizer;
    }
    try {
      Set<String> known = known(tokenizer);
      Map<Integer, JsonNode> missing = new TreeMap<>();
      for (Map.Entry<String, JsonNode> entry : decoder.properties()) {
        if (!known.contains(entry.getValue().path("content").asText())) {
          missing.put(Integer.parseInt(entry.getKey()), entry.getValue());
        }
      }
      if (missing.isEmpty()) {
        return tokenizer;
      }
      ObjectNode whole = (ObjectNode) JSON.readTree(tokenizer);
      ArrayNode all = whole.withArray(KEY);
      missing.forEach((id, token) -> add(all.addObject(), id, token));
      return JSON.writeValueAsString(whole);
    } catch (IOException | ClassCastException | NumberFormatException e) {
      return tokenizer; // The native parser reports what is wrong, and where.
    }
  }

  /** With the defaults of Transformers' AddedToken. */
  private static void add(ObjectNode added, int id, JsonNode token) {
    boolean special = token.path("special").asBoolean(false);
    added.put("id", id).put("content", token.path("content").asText());
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
          JSON.<JsonNode>readTree(parser).forEach(t -> known.add(t.path("content").asText()));
          break;
        }
        parser.skipChildren();
      }
    }
    return known;
  }
}
