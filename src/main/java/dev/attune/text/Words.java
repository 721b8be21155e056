package dev.attune.text;

import java.util.ArrayList;
import java.util.List;

/**
 * A text's words and where they stand.
 *
 * @param starts index of each word's first {@code char} in the text
 */
public record Words(String text, List<String> words, List<Integer> starts) {
  /** Splits at white space and around punctuation marks and symbols. */
  public static Words split(String text) {
    List<String> words = new ArrayList<>();
    List<Integer> starts = new ArrayList<>();
    int begin = -1; // of the word in hand
    for (int i = 0; i <= text.length(); ) {
      int c = i < text.length() ? text.codePointAt(i) : ' ';
      boolean isSpace = Character.isWhitespace(c) || Character.isSpaceChar(c);
      boolean isMark = !isSpace && isMark(c);
      if (begin >= 0 && (isSpace || isMark)) {
        words.add(text.substring(begin, i));
        starts.add(begin);
        begin = -1;
      }
      if (isMark) {
        words.add(Character.toString(c));
        starts.add(i);
      } else if (!isSpace && begin < 0) {
        begin = i;
      }
      i += Character.charCount(c);
    }
    return new Words(text, words, starts);
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
