package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a tokenizer's tokens are: their ids and spellings, the special ones and what they stand for.
 * It is found out when it is first asked for, by any thread.
 */
public final class TokenVocabulary {
  private static final Set<String> USUAL_MASKS = Set.of("[MASK]", "<mask>");

  private final String json;
  private final JsonNode modelConfig;
  private final SpecialTokens special;
  private final Map<String, String> usual;
  private volatile List<String> specialSpellings; // null until needed
  private volatile BitSet byteTokens; // null until needed
  private volatile Map<String, Integer> ids; // null until needed

  /**
   * @param json tokenizer.json as the library reads it
   * @param modelConfig config.json
   * @param special the special tokens that the files name
   * @param usual those of the class by roles, where the files say nothing of a role
   */
  TokenVocabulary(
      String json, JsonNode modelConfig, SpecialTokens special, Map<String, String> usual) {
    this.json = json;
    this.modelConfig = modelConfig;
    this.special = special;
    this.usual = usual;
  }

  /**
   * The spelling of the token that stands for a masked one; null: the tokenizer has none. Where the
   * files do not name it, it is the special token that is spelled as in BERT's or RoBERTa's family.
   */
  public String maskToken() {
    String named = special.spelling("mask_token");
    return named != null
        ? named
        : specialSpellings().stream().filter(USUAL_MASKS::contains).findFirst().orElse(null);
  }

  /** The id of {@link #maskToken}; empty: there is none. */
  public OptionalInt maskId() {
    String spelling = maskToken();
    return spelling == null ? OptionalInt.empty() : tokenId(spelling);
  }

  /**
   * The id of the token that stands for what the vocabulary lacks; empty: there is none, as where
   * bytes are tokens.
   */
  public OptionalInt unknownId() {
    JsonNode model = tokenizerJson().path("model");
    JsonNode id = model.path("unk_id"); // of unigrams; others give its spelling
    JsonNode spelling = model.path("unk_token");
    if (id.isInt()) {
      return OptionalInt.of(id.asInt());
    }
    return spelling.isTextual() ? tokenId(spelling.asText()) : OptionalInt.empty();
  }

  /** Whether its pieces come of merges (BPE). */
  boolean isMerged() {
    return tokenizerJson().path("model").has("merges");
  }

  /** The ids of special tokens, wherever in a text they stand. */
  public BitSet specialIds() {
    BitSet ids = new BitSet();
    for (JsonNode token : tokenizerJson().path("added_tokens")) {
      if (token.path("special").asBoolean()) {
        ids.set(token.path("id").asInt());
      }
    }
    return ids;
  }

  /** The id of a token by its spelling in the vocabulary, "##ing" as "[MASK]". */
  public OptionalInt tokenId(String spelling) {
    Integer id = ids().get(spelling);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  private Map<String, Integer> ids() {
    Map<String, Integer> known = ids;
    if (known == null) {
      known = AddedTokens.vocabulary(tokenizerJson());
      ids = known;
    }
    return known;
  }

  /** How many tokens there are, added ones included: {@code len(tokenizer)} in Transformers. */
  public int size() {
    return ids().size();
  }

  /** What differs from another vocabulary, in words; null: nothing. */
  public String difference(TokenVocabulary other) {
    for (Map.Entry<String, Integer> token : ids().entrySet()) {
      Integer id = other.ids().get(token.getKey());
      if (!token.getValue().equals(id)) {
        return "'"
            + token.getKey()
            + "' is token "
            + token.getValue()
            + " of this one, and "
            + (id == null ? "none" : "token " + id)
            + " of that";
      }
    }
    return other.size() == size() ? null : "it has " + other.size() + " tokens, this " + size();
  }

  /** The id of a special token by its role: "mask_token", "eos_token", "bos_token" and so on. */
  OptionalInt specialId(String role) {
    String spelling = special.state(role) ? special.spelling(role) : usual.get(role);
    return spelling == null ? OptionalInt.empty() : tokenId(spelling);
  }

  /**
   * Whether a token stands for one byte of a character that has no token ({@code <0x41>}). A run of
   * such tokens is text as a whole or, where it is no UTF-8, a sign of replacement for each, ASCII
   * too.
   */
  public boolean isByteFallback(int id) {
    BitSet known = byteTokens;
    if (known == null) {
      known = new BitSet();
      if (json.contains("\"ByteFallback\"")) {
        JsonNode vocabulary = tokenizerJson().path("model").path("vocab");
        for (int value = 0; value < 256; value++) {
          JsonNode token = vocabulary.path(String.format("<0x%02X>", value));
          if (token.isInt()) {
            known.set(token.intValue());
          }
        }
      }
      byteTokens = known;
    }
    return known.get(id);
  }

  /** A text without the spellings of special tokens, which decoding can leave out. */
  public String withoutSpecialTokens(String text) {
    String rest = text;
    for (String special : specialSpellings()) {
      rest = rest.replace(special, "");
    }
    return rest;
  }

  /** The longest first: one may hold another. */
  private List<String> specialSpellings() {
    List<String> known = specialSpellings;
    if (known == null) {
      Set<String> spellings = new TreeSet<>();
      for (JsonNode token : tokenizerJson().path("added_tokens")) {
        if (token.path("special").asBoolean()) {
          spellings.add(token.path("content").asText());
        }
      }
      known =
          spellings.stream().sorted(Comparator.comparingInt(String::length).reversed()).toList();
      specialSpellings = known;
    }
    return known;
  }

  /**
   * The id that ends a sequence: {@code eos_token} of the tokenizer's files, else the first {@code
   * eos_token_id} of config.json.
   */
  public OptionalInt eosId() {
    OptionalInt own = specialId("eos_token");
    if (own.isPresent()) {
      return own;
    }
    JsonNode id = modelConfig.path("eos_token_id");
    JsonNode first = id.isArray() ? id.path(0) : id;
    return first.isInt() ? OptionalInt.of(first.asInt()) : OptionalInt.empty();
  }

  private JsonNode tokenizerJson() {
    try {
      return WholeJson.of(json);
    } catch (IOException e) {
      throw new IllegalStateException("a tokenizer that was read before cannot be read", e);
    }
  }
}
