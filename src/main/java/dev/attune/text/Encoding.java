package dev.attune.text;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Arrays;
import java.util.function.Supplier;

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
 * @param droppedTokens tokens that truncation took away so far
 * @param truncatesLeft whether truncation takes from the front of the texts
 */
public record Encoding(
    int[] ids,
    int[] typeIds,
    int[] offsets,
    int[] wordIds,
    int[] sequenceIds,
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
    int[] kept = Truncation.kept(sequenceIds, () -> wordIds, maxLength, truncatesLeft);
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
        droppedTokens + ids.length - kept.length,
        truncatesLeft);
  }

  /** The arithmetic of {@code truncation=True}. */
  static final class Truncation {
    private Truncation() {}

    /**
     * Indices of the tokens that stay, ascending.
     *
     * @param wordIds asked for only of pairs of which both texts are cut
     */
    static int[] kept(int[] sequenceIds, Supplier<int[]> wordIds, int maxLength, boolean left) {
      int specials = 0;
      int first = 0;
      int second = 0;
      for (int s : sequenceIds) {
        specials += s < 0 ? 1 : 0;
        first += s == 0 ? 1 : 0;
        second += s == 1 ? 1 : 0;
      }
      int room = maxLength - specials;
      if (room < 1) {
        throw new InputException(
            "max length "
                + maxLength
                + " leaves no room for text: the tokenizer adds "
                + specials
                + " special tokens. Give "
                + Term.MAX_LENGTH
                + " at least "
                + (specials + 1)
                + ".");
      }
      int keepFirst = first;
      int keepSecond = second;
      if (first + second > room) {
        // Longest first: the shorter text stays whole unless both exceed half of the room.
        int shorter = Math.min(first, second);
        int longer = Math.max(shorter, room - shorter);
        boolean isFirstLonger =
            shorter < maxLength
                ? first > second
                : read(0, sequenceIds, wordIds.get(), maxLength, left)
                    > read(1, sequenceIds, wordIds.get(), maxLength, left);
        if (shorter + longer > room) {
          shorter = room / 2;
          longer = shorter + room % 2;
        }
        keepFirst = isFirstLonger ? longer : shorter;
        keepSecond = isFirstLonger ? shorter : longer;
        if (second == 0) {
          keepFirst = room;
          keepSecond = 0;
        }
      }
      int[] kept = new int[specials + keepFirst + keepSecond];
      int n = 0;
      int seenFirst = 0;
      int seenSecond = 0;
      for (int i = 0; i < sequenceIds.length; i++) {
        boolean keep =
            switch (sequenceIds[i]) {
              case 0 -> inRange(seenFirst++, first, keepFirst, left);
              case 1 -> inRange(seenSecond++, second, keepSecond, left);
              default -> true;
            };
        if (keep) {
          kept[n++] = i;
        }
      }
      return kept;
    }

    /**
     * Tokens of a text that Hugging Face's library looks at: it reads words until they have as many
     * as may stay, and calls the text longer of which it has read more.
     */
    private static int read(
        int sequence, int[] sequenceIds, int[] wordIds, int maxLength, boolean left) {
      int count = 0;
      int word = -1;
      for (int n = 0; n < sequenceIds.length; n++) {
        int i = left ? sequenceIds.length - 1 - n : n;
        if (sequenceIds[i] == sequence) {
          if (count >= maxLength && wordIds[i] != word) {
            break;
          }
          word = wordIds[i];
          count++;
        }
      }
      return count;
    }

    private static boolean inRange(int index, int length, int keep, boolean left) {
      return left ? index >= length - keep : index < keep;
    }

    static int[] pick(int[] values, int[] kept) {
      if (values == null) {
        return null;
      }
      int[] picked = new int[kept.length];
      for (int i = 0; i < kept.length; i++) {
        picked[i] = values[kept[i]];
      }
      return picked;
    }
  }
}
