package dev.attune.text;

import dev.attune.core.InterruptedCallException;
import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Texts of which the library would make a hundred bytes of memory a character, in pieces. Pieces
 * part where tokenizers part words, and each is encoded behind the end of the one before: where
 * that end then has other tokens than alone, the pieces are not the text, and that is told.
 */
final class LongTexts {
  /** Characters of a piece, and of the one before by which its border is checked. */
  private static final int PIECE = 1 << 18;

  private static final int CONTEXT = 512;

  private final Function<String, int[]> plain;
  private final TokenIds around;
  private final int[] word;
  private final int leading;
  private final boolean truncatesLeft;

  /**
   * @param plain gives the tokens of a text alone
   * @param around the encoding of "a" with special tokens
   */
  LongTexts(Function<String, int[]> plain, TokenIds around, boolean truncatesLeft) {
    this.plain = plain;
    this.around = around;
    this.word = plain.apply("a");
    this.leading = leading(around.ids(), word);
    this.truncatesLeft = truncatesLeft;
  }

  /** Where a word's tokens begin among those of a text that holds it and special tokens. */
  private static int leading(int[] ids, int[] word) {
    for (int at = 0; at + word.length <= ids.length; at++) {
      if (Arrays.equals(ids, at, at + word.length, word, 0, word.length)) {
        return at;
      }
    }
    return 0;
  }

  /**
   * The ids of a text, cut to a length.
   *
   * @return null where the pieces do not have the tokens of the whole, or none may be kept
   */
  TokenIds encode(String text, int maxLength) {
    int room = maxLength - (around.ids().length - word.length);
    if (room < 1) {
      return null;
    }
    IntStream.Builder first = IntStream.builder();
    int[] last = new int[0];
    long count = 0;
    String before = "";
    for (int begin = 0; begin < text.length(); ) {
      InterruptedCallException.check("tokenising");
      int end = pieceEnd(text, begin);
      String piece = text.substring(begin, end);
      TextPart part = own(before, piece);
      if (!part.isExact()) {
        return null;
      }
      if (truncatesLeft) {
        last = lastOf(last, part.ids(), room);
      } else {
        int more = (int) Math.min(part.ids().length, Math.max(0, room - count));
        Arrays.stream(part.ids(), 0, more).forEach(first);
      }
      count += part.ids().length;
      before = end(piece);
      begin = end;
    }
    return framed(truncatesLeft ? last : first.build().toArray(), count - room);
  }

  /** Behind a word, before the single space or behind the single line break that follows it. */
  private static int pieceEnd(String text, int begin) {
    for (int i = begin + PIECE; i + 1 < text.length(); i++) {
      char c = text.charAt(i);
      if ((c == ' ' || c == '\n')
          && !Character.isWhitespace(text.charAt(i - 1))
          && !Character.isWhitespace(text.charAt(i + 1))) {
        return c == ' ' ? i : i + 1;
      }
    }
    return text.length();
  }

  /** The last characters of a text, none of them a half. */
  private static String end(String text) {
    int from = Math.max(0, text.length() - CONTEXT);
    boolean isHalf = from > 0 && Character.isLowSurrogate(text.charAt(from));
    return text.substring(isHalf ? from + 1 : from);
  }

  private static int[] lastOf(int[] earlier, int[] ids, int most) {
    int[] both = Arrays.copyOf(earlier, earlier.length + ids.length);
    System.arraycopy(ids, 0, both, earlier.length, ids.length);
    return both.length <= most ? both : Arrays.copyOfRange(both, both.length - most, both.length);
  }

  /** Tokens of a text between the special tokens. */
  private TokenIds framed(int[] own, long lost) {
    int[] types = null;
    if (around.typeIds() != null) {
      types = new int[own.length];
      Arrays.fill(types, around.typeIds()[leading]);
      types = replaced(around.typeIds(), types);
    }
    return new TokenIds(
        replaced(around.ids(), own), types, null, Math.toIntExact(Math.max(0, lost)));
  }

  /** Values around the word around other ones. */
  private int[] replaced(int[] values, int[] own) {
    int behind = values.length - leading - word.length;
    int[] out = Arrays.copyOf(values, leading + own.length + behind);
    System.arraycopy(own, 0, out, leading, own.length);
    System.arraycopy(values, leading + word.length, out, leading + own.length, behind);
    return out;
  }

  /**
   * A part of a text, with the special tokens before the first and behind the last.
   *
   * @param before some text that precedes it; empty where it is the first
   */
  TextPart part(String before, String text, boolean isLast) {
    TextPart part = own(before, text);
    int from = before.isEmpty() ? leading : 0;
    int to = isLast ? around.ids().length - leading - word.length : 0;
    int[] ids = new int[from + part.ids().length + to];
    System.arraycopy(around.ids(), 0, ids, 0, from);
    System.arraycopy(part.ids(), 0, ids, from, part.ids().length);
    System.arraycopy(around.ids(), around.ids().length - to, ids, ids.length - to, to);
    return new TextPart(ids, part.isExact());
  }

  /** The tokens of a text behind another one. */
  private TextPart own(String before, String text) {
    if (before.isEmpty()) {
      return new TextPart(plain.apply(text), true);
    }
    int[] earlier = plain.apply(before);
    int[] joined = plain.apply(before + text);
    int shared = Arrays.mismatch(earlier, joined);
    return shared < 0 || shared == earlier.length
        ? new TextPart(Arrays.copyOfRange(joined, earlier.length, joined.length), true)
        : new TextPart(plain.apply(text), false);
  }

  /** Whether two texts have the same tokens one after the other as joined. */
  boolean partsAt(String before, String after) {
    int[] first = plain.apply(before);
    int[] second = plain.apply(after);
    int[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return Arrays.equals(both, plain.apply(before + after));
  }
}
