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
  private final Frame frame;
  private final boolean truncatesLeft;

  /**
   * @param plain gives the tokens of a text alone
   */
  LongTexts(Function<String, int[]> plain, Frame frame, boolean truncatesLeft) {
    this.plain = plain;
    this.frame = frame;
    this.truncatesLeft = truncatesLeft;
  }

  /**
   * The ids of a text, cut to a length.
   *
   * @return null where the pieces do not have the tokens of the whole, or none may be kept
   */
  TokenIds encode(String text, int maxLength) {
    int room = frame.room(maxLength);
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
    return frame.of(truncatesLeft ? last : first.build().toArray(), Math.max(0, count - room));
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

  /**
   * A part of a text, with the special tokens before the first and behind the last.
   *
   * @param before some text that precedes it; empty where it is the first
   */
  TextPart part(String before, String text, boolean isLast) {
    TextPart part = own(before, text);
    return new TextPart(frame.ofPart(part.ids(), before.isEmpty(), isLast), part.isExact());
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
