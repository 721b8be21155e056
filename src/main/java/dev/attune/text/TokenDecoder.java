package dev.attune.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The texts of ids. An added token that is looked for in normalized texts is written as it stands
 * there, which the library in the JAR does not do: under a normalizer that puts a space before
 * texts such a token is the end of {@code word<tool>} only with a space between the two.
 *
 * <p>Source: {@code AddedVocabulary::simple_id_to_token} of tokenizers 0.23. There a special token
 * that is written otherwise than it is spelled is no longer left out where special tokens are to
 * be; here it is.
 */
final class TokenDecoder {
  private static final String UNKNOWN = "unk_token";

  /**
   * How ids are decoded.
   *
   * @param handle of the tokenizer that does it
   * @param instead tokens that are written as these are
   * @param special those of them that are special
   */
  private record Spelling(long handle, Map<Integer, Integer> instead, BitSet special) {}

  private final long handle;
  private final String json;
  private volatile Spelling spelling; // null until needed

  /**
   * @param handle of the tokenizer, which its owner frees
   * @param json tokenizer.json as the library reads it
   */
  TokenDecoder(long handle, String json) {
    this.handle = handle;
    this.json = json;
  }

  String decode(int[] ids, boolean skipSpecialTokens) {
    Spelling known = spelling();
    long[] wide = new long[ids.length];
    int count = 0;
    for (int id : ids) {
      if (!skipSpecialTokens || !known.special.get(id)) {
        wide[count++] = known.instead.getOrDefault(id, id);
      }
    }
    long[] kept = count == ids.length ? wide : Arrays.copyOf(wide, count);
    return TokenizersLibrary.LIB.decode(known.handle, kept, skipSpecialTokens);
  }

  /** A text of words without the spaces before punctuation. */
  static String cleaned(String text) {
    String clean = text;
    for (String mark : List.of(".", "?", "!", ",")) {
      clean = clean.replace(" " + mark, mark);
    }
    clean = clean.replace(" ' ", "'");
    for (String end : List.of("n't", "'m", "'s", "'ve", "'re")) {
      clean = clean.replace(" " + end, end);
    }
    return clean;
  }

  /** Frees what was made here. */
  synchronized void close() {
    if (spelling != null && spelling.handle != handle) {
      TokenizersLibrary.LIB.deleteTokenizer(spelling.handle);
    }
    spelling = null;
  }

  private Spelling spelling() {
    Spelling known = spelling;
    return known == null ? find() : known;
  }

  private synchronized Spelling find() {
    if (spelling == null) {
      try {
        Map<Integer, String> changed = changed();
        spelling =
            changed.isEmpty() ? new Spelling(handle, Map.of(), new BitSet()) : respelled(changed);
      } catch (IOException e) {
        throw new IllegalStateException("a tokenizer that was read before cannot be read", e);
      }
    }
    return spelling;
  }

  /** Added tokens whose spelling the normalizer changes, as it changes it. */
  private Map<Integer, String> changed() throws IOException {
    Map<Integer, String> changed = new HashMap<>();
    JsonNode normalizer = JsonFile.part(json, "normalizer");
    if (normalizer.isMissingNode() || normalizer.isNull()) {
      return changed;
    }
    for (JsonNode token : JsonFile.part(json, "added_tokens")) {
      int id = token.path("id").asInt();
      String content = token.path("content").asText();
      String found = token.path("normalized").asBoolean() ? normalized(id, content) : content;
      if (!found.equals(content)) {
        changed.put(id, found);
      }
    }
    return changed;
  }

  /** What a token's text is when it is found in it, where it is. */
  private String normalized(int id, String content) {
    long encoding = TokenizersLibrary.LIB.encode(handle, content, false);
    try {
      long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
      return ids.length == 1 && ids[0] == id
          ? TokenizersLibrary.LIB.getTokens(encoding)[0]
          : content;
    } finally {
      TokenizersLibrary.LIB.deleteEncoding(encoding);
    }
  }

  private Spelling respelled(Map<Integer, String> changed) throws IOException {
    ObjectNode whole = (ObjectNode) WholeJson.of(json);
    Map<String, Integer> all = AddedTokens.vocabulary(whole);
    Map<Integer, Integer> instead = new HashMap<>();
    BitSet special = new BitSet();
    boolean isOther = false;
    for (JsonNode token : whole.path("added_tokens")) {
      int id = token.path("id").asInt();
      String found = changed.get(id);
      if (found == null) {
        continue;
      }
      Integer same = all.get(found);
      if (same != null) {
        instead.put(id, same);
        special.set(id, token.path("special").asBoolean());
      } else {
        respell((ObjectNode) whole.get("model"), token.path("content").asText(), id, found);
        ((ObjectNode) token).put("content", found).put("normalized", false);
        isOther = true;
      }
    }
    return new Spelling(isOther ? made(whole.toString()) : handle, instead, special);
  }

  /** A tokenizer of other spellings; where the library takes them for none, that of the file's. */
  private long made(String tokenizer) {
    try {
      return TokenizersLibrary.LIB.createTokenizerFromString(tokenizer);
    } catch (RuntimeException e) {
      return handle;
    }
  }

  /** A piece of the model itself, whose merges nobody needs who decodes. */
  private static void respell(ObjectNode model, String content, int id, String found) {
    JsonNode vocabulary = model.path("vocab");
    if (vocabulary.path(id).path(0).asText().equals(content)) {
      ((ArrayNode) vocabulary.get(id)).set(0, TextNode.valueOf(found));
    } else if (vocabulary instanceof ObjectNode ids && ids.has(content)) {
      ids.remove(content);
      ids.put(found, id);
      if (model.has("merges")) {
        model.putArray("merges");
      }
      if (model.path(UNKNOWN).asText().equals(content)) {
        model.put(UNKNOWN, found);
      }
    }
  }
}
