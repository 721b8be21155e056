package dev.attune.text;

import java.util.Arrays;

/** The special tokens that a tokenizer puts around a text. */
final class Frame {
  private final TokenIds around;
  private final int leading;
  private final int trailing;
  private final boolean isSure;

  /**
   * @param around the encoding of a word with special tokens
   * @param word its tokens alone
   */
  Frame(TokenIds around, int[] word) {
    this.around = around;
    this.leading = leading(around.ids(), word);
    this.trailing = around.ids().length - leading - word.length;
    this.isSure =
        word.length > 0
            && place(around.ids(), word, 0) == leading
            && place(around.ids(), word, leading + 1) < 0;
  }

  /** Where a word's tokens begin among those of a text that holds it and special tokens. */
  private static int leading(int[] ids, int[] word) {
    return Math.max(0, place(ids, word, 0));
  }

  /** The first place of a word's tokens from one on; negative: none. */
  private static int place(int[] ids, int[] word, int from) {
    for (int at = from; at + word.length <= ids.length; at++) {
      if (Arrays.equals(ids, at, at + word.length, word, 0, word.length)) {
        return at;
      }
    }
    return -1;
  }

  /** Whether the word stands in one place, so that the tokens around it are told from its own. */
  boolean isSure() {
    return isSure;
  }

  /** How many tokens of a text's own there may be in so many. */
  int room(int maxLength) {
    return maxLength - leading - trailing;
  }

  /**
   * Tokens of a text between the special tokens.
   *
   * @param lost tokens of the text that are not among them
   */
  TokenIds of(int[] own, long lost) {
    int[] types = null;
    if (around.typeIds() != null) {
      types = new int[own.length];
      Arrays.fill(types, around.typeIds()[leading]);
      types = replaced(around.typeIds(), types);
    }
    return new TokenIds(replaced(around.ids(), own), types, null, Math.toIntExact(lost));
  }

  /** Values around the word around other ones. */
  private int[] replaced(int[] values, int[] own) {
    int[] out = Arrays.copyOf(values, leading + own.length + trailing);
    System.arraycopy(own, 0, out, leading, own.length);
    System.arraycopy(values, values.length - trailing, out, leading + own.length, trailing);
    return out;
  }

  /** Tokens of a part of a text, with the special tokens before the first and behind the last. */
  int[] ofPart(int[] own, boolean isFirst, boolean isLast) {
    int from = isFirst ? leading : 0;
    int to = isLast ? trailing : 0;
    int[] ids = around.ids();
    int[] out = new int[from + own.length + to];
    System.arraycopy(ids, 0, out, 0, from);
    System.arraycopy(own, 0, out, from, own.length);
    System.arraycopy(ids, ids.length - to, out, out.length - to, to);
    return out;
  }
}
