package dev.attune.text;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Check;
import java.io.IOException;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/** Reads what Hugging Face's library makes of texts. */
final class EncodingReader {
  /**
   * What was encoded.
   *
   * @param second null: one text alone
   */
  record Texts(String first, String second) {}

  /** Goes through a text by its code points, from wherever it was to wherever is asked. */
  private static final class Cursor {
    private final String text;
    private int point;
    private int at;

    Cursor(String text) {
      this.text = text;
    }

    String between(CharSpan span) {
      at = text.offsetByCodePoints(at, span.getStart() - point);
      point = span.getStart();
      return text.substring(at, text.offsetByCodePoints(at, span.getEnd() - point));
    }
  }

  private final String json;
  private final TokenVocabulary vocabulary;
  private final boolean typeIds;
  private final boolean truncatesLeft;
  private volatile Map<Integer, String> spellings; // of added tokens; null until needed
  private volatile Integer unknown; // null until needed; -1: there is none

  /**
   * @param json tokenizer.json as the library reads it
   * @param vocabulary of it
   * @param typeIds whether the model reads them
   */
  EncodingReader(String json, TokenVocabulary vocabulary, boolean typeIds, boolean truncatesLeft) {
    this.json = json;
    this.vocabulary = vocabulary;
    this.typeIds = typeIds;
    this.truncatesLeft = truncatesLeft;
  }

  /** The ids of an encoding, truncated. */
  TokenIds lean(long encoding, Texts texts, int maxLength, boolean words) {
    int[] ids = ints(TokenizersLibrary.LIB.getTokenIds(encoding));
    int[] types = typeIds ? ints(TokenizersLibrary.LIB.getTypeIds(encoding)) : null;
    int[] wordIds = words ? ints(TokenizersLibrary.LIB.getWordIds(encoding)) : null;
    if (ids.length <= maxLength) {
      return new TokenIds(ids, types, wordIds, 0);
    }
    int[] sequenceIds = ints(TokenizersLibrary.LIB.getSequenceIds(encoding));
    int[] kept =
        Truncation.kept(
            sequenceIds,
            () -> {
              int[] parts = ints(TokenizersLibrary.LIB.getWordIds(encoding));
              CharSpan[] spans = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
              return new Truncation.Words(parts, added(ids, sequenceIds, parts, spans, texts));
            },
            maxLength,
            truncatesLeft);
    return new TokenIds(
        Truncation.pick(ids, kept),
        Truncation.pick(types, kept),
        Truncation.pick(wordIds, kept),
        ids.length - kept.length);
  }

  /** All that there is to know of an encoding. */
  Encoding full(long encoding, Texts texts) {
    CharSpan[] spans = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
    int[] offsets = new int[2 * spans.length];
    for (int i = 0; i < spans.length; i++) {
      if (spans[i] != null) {
        offsets[2 * i] = spans[i].getStart();
        offsets[2 * i + 1] = spans[i].getEnd();
      }
    }
    int[] ids = ints(TokenizersLibrary.LIB.getTokenIds(encoding));
    int[] wordIds = ints(TokenizersLibrary.LIB.getWordIds(encoding));
    int[] sequenceIds = ints(TokenizersLibrary.LIB.getSequenceIds(encoding));
    return new Encoding(
        ids,
        ints(TokenizersLibrary.LIB.getTypeIds(encoding)),
        offsets,
        wordIds,
        sequenceIds,
        added(ids, sequenceIds, wordIds, spans, texts),
        0,
        truncatesLeft);
  }

  /** The ids of a native encoding, none of which is out of range. */
  static int[] ints(long[] values) {
    int[] out = new int[values.length];
    for (int i = 0; i < values.length; i++) {
      Check.input(
          values[i] <= Integer.MAX_VALUE,
          "the tokenizer gives token id %d, more than any model has word embeddings; the folder's"
              + " tokenizer belongs to another model",
          values[i]);
      out[i] = (int) values[i];
    }
    return out;
  }

  /**
   * Added tokens that were found in a text. The unknown token is one too where it stands for a word
   * that the vocabulary lacks, but that was not found.
   *
   * @param texts null: words, of which nothing is asked
   */
  private BitSet added(int[] ids, int[] sequenceIds, int[] wordIds, CharSpan[] spans, Texts texts) {
    BitSet added = new BitSet();
    if (texts == null) {
      return added;
    }
    Cursor[] cursors = {new Cursor(texts.first), new Cursor(texts.second)};
    for (int i = 0; i < ids.length; i++) {
      String spelling = sequenceIds[i] < 0 ? null : spellings().get(ids[i]);
      boolean isFound =
          spelling != null
              && isAlone(i, sequenceIds, wordIds)
              && (ids[i] != unknown()
                  || cursors[sequenceIds[i]].between(spans[i]).strip().equalsIgnoreCase(spelling));
      added.set(i, isFound);
    }
    return added;
  }

  private static boolean isAlone(int token, int[] sequenceIds, int[] wordIds) {
    for (int i : new int[] {token - 1, token + 1}) {
      if (i >= 0
          && i < wordIds.length
          && sequenceIds[i] == sequenceIds[token]
          && wordIds[i] == wordIds[token]) {
        return false;
      }
    }
    return true;
  }

  private int unknown() {
    Integer known = unknown;
    if (known == null) {
      known = vocabulary.unknownId().orElse(-1);
      unknown = known;
    }
    return known;
  }

  private Map<Integer, String> spellings() {
    Map<Integer, String> known = spellings;
    if (known == null) {
      known = new HashMap<>();
      try {
        for (JsonNode token : JsonFile.part(json, "added_tokens")) {
          known.put(token.path("id").asInt(), token.path("content").asText());
        }
      } catch (IOException e) {
        throw new IllegalStateException("a tokenizer that was read before cannot be read", e);
      }
      spellings = known;
    }
    return known;
  }
}
