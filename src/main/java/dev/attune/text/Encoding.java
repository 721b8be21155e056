package dev.attune.text;

import java.util.Arrays;
import java.util.BitSet;

/**
 * The tokens of one text or text pair, special tokens included.
 *
 * <p>Offsets count Unicode code points of the text (or of the pair's text, or of the word) that the
 * token comes from, as Hugging Face's do; they are not {@code char} indices where the text has
 * characters outside the basic plane.
 *
 * @param ids token ids (T)
 * @param typeIds which text of a pair the tokenizer's template assigns (T)
 * @param offsets begin and end of each token, interleaved (2T); 0, 0 for special tokens
 * @param wordIds index of the word each token belongs to (T); -1 for special tokens
 * @param sequenceIds 0 for the text, 1 for its pair, -1 for special tokens (T)
 * @param added tokens that stand in a text as they are spelled, and were not made of its words
 * @param droppedTokens tokens that truncation took away so far
 * @param truncatesLeft whether truncation takes from the front of the texts
 */
public record Encoding(
    int[] ids,
    int[] typeIds,
    int[] offsets,
    int[] wordIds,
    int[] sequenceIds,
    BitSet added,
    int droppedTokens,
    boolean truncatesLeft) {

  /** Tokens, special ones included. */
  public int length() {
    return ids.length;
  }

  /** Whether the tokenizer's template added this token; "[SEP]" written in the text is not. */
  public boolean isSpecial(int token) {
    return sequenceIds[token] < 0;
  }

  /** 1 where the template added the token, else 0 (T). */
  public int[] specialTokensMask() {
    return Arrays.stream(sequenceIds).map(s -> s < 0 ? 1 : 0).toArray();
  }

  /** Begin of a token in its text, in code points. */
  public int offsetBegin(int token) {
    return offsets[2 * token];
  }

  /** End of a token in its text, exclusive, in code points. */
  public int offsetEnd(int token) {
    return offsets[2 * token + 1];
  }

  /**
   * At most {@code maxLength} tokens, as Transformers cuts them with {@code truncation=True}:
   * special tokens stay, and of a pair the longer text is cut first, both to equal lengths if need
   * be.
   */
  public Encoding truncate(int maxLength) {
    if (ids.length <= maxLength) {
      return this;
    }
    int[] kept =
        Truncation.kept(
            sequenceIds, () -> new Truncation.Words(wordIds, added), maxLength, truncatesLeft);
    int[] keptOffsets = null;
    if (offsets != null) {
      keptOffsets = new int[2 * kept.length];
      for (int i = 0; i < kept.length; i++) {
        keptOffsets[2 * i] = offsets[2 * kept[i]];
        keptOffsets[2 * i + 1] = offsets[2 * kept[i] + 1];
      }
    }
    return new Encoding(
        Truncation.pick(ids, kept),
        Truncation.pick(typeIds, kept),
        keptOffsets,
        Truncation.pick(wordIds, kept),
        Truncation.pick(sequenceIds, kept),
        Truncation.pick(added, kept),
        droppedTokens + ids.length - kept.length,
        truncatesLeft);
  }
}
