package dev.attune.text;

import java.util.ArrayList;
import java.util.List;

/**
 * A text's words and where they stand.
 *
 * @param starts index of each word's first {@code char} in the text
 */
public record Words(String text, List<String> words, List<Integer> starts) {
  /** What is told of each word of a text. */
  @FunctionalInterface
  private interface Found {
    void word(int begin, int end);
  }

  /** Splits at white space and around punctuation marks and symbols. */
  public static Words split(String text) {
    List<String> words = new ArrayList<>();
    List<Integer> starts = new ArrayList<>();
    scan(
        text,
        (begin, end) -> {
          words.add(text.substring(begin, end));
          starts.add(begin);
        });
    return new Words(text, words, starts);
  }

  /** How many {@link #split} finds: nothing is kept of them. */
  public static int count(String text) {
    int[] count = new int[1];
    scan(text, (begin, end) -> count[0]++);
    return count[0];
  }

  private static void scan(String text, Found found) {
    int begin = -1; // of the word in hand
    for (int i = 0; i <= text.length(); ) {
      int c = i < text.length() ? text.codePointAt(i) : ' ';
      boolean isSpace = Character.isWhitespace(c) || Character.isSpaceChar(c);
      boolean isMark = !isSpace && isMark(c);
      if (begin >= 0 && (isSpace || isMark)) {
        found.word(begin, i);
        begin = -1;
      }
      if (isMark) {
        found.word(i, i + Character.charCount(c));
      } else if (!isSpace && begin < 0) {
        begin = i;
      }
      i += Character.charCount(c);
    }
  }

  /** Words that are known, with one space between them. */
  public static Words joined(List<String> words) {
    List<Integer> starts = new ArrayList<>();
    int start = 0;
    for (String word : words) {
      starts.add(start);
      start += word.length() + 1;
    }
    return new Words(String.join(" ", words), List.copyOf(words), starts);
  }

  private static boolean isMark(int c) {
    return switch (Character.getType(c)) {
      case Character.CONNECTOR_PUNCTUATION,
          Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION,
          Character.OTHER_PUNCTUATION,
          Character.MATH_SYMBOL,
          Character.CURRENCY_SYMBOL,
          Character.MODIFIER_SYMBOL ->
          true;
      default -> false;
    };
  }

  /** Index behind a word's last {@code char} in the text. */
  public int end(int word) {
    return starts.get(word) + words.get(word).length();
  }
}
