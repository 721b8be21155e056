package dev.attune.metrics;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Texts, words and runs of them, as Python's scripts and text metrics treat them. */
public final class Words {
  /** Characters that part no letters where it is decided whether a sigma ends a word. */
  private static final String INSIDE_WORDS =
      "'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";

  private static final int SIGMA = 0x3A3;

  private Words() {}

  /** {@code str.split()}. */
  static List<String> split(String text) {
    List<String> out = new ArrayList<>();
    int begin = -1;
    for (int i = 0; i <= text.length(); i++) {
      boolean inside = i < text.length() && !isSpace(text.charAt(i));
      if (inside && begin < 0) {
        begin = i;
      } else if (!inside && begin >= 0) {
        out.add(text.substring(begin, i));
        begin = -1;
      }
    }
    return out;
  }

  /** {@code str.isspace}. */
  private static boolean isSpace(char c) {
    return (c >= 9 && c <= 13)
        || (c >= 0x1C && c <= 0x1F)
        || c == 0x85
        || (c >= 32 && Character.isSpaceChar(c));
  }

  /** {@code str.lstrip()}. */
  public static String stripStart(String text) {
    int begin = 0;
    while (begin < text.length() && isSpace(text.charAt(begin))) {
      begin++;
    }
    return text.substring(begin);
  }

  /** {@code str.rstrip()}. */
  static String stripEnd(String text) {
    int end = text.length();
    while (end > 0 && isSpace(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end);
  }

  /** {@code str.lower()}: other than Java's where a sigma stands before a hyphen or a digit. */
  static String lowerCase(String text) {
    int[] characters = text.codePoints().toArray();
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < characters.length; i++) {
      if (characters[i] == SIGMA) {
        boolean endsWord = isCased(characters, i, -1) && !isCased(characters, i, 1);
        out.append(endsWord ? '\u03C2' : '\u03C3');
      } else {
        out.append(Character.toString(characters[i]).toLowerCase(Locale.ROOT));
      }
    }
    return out.toString();
  }

  /** Whether the next character in a direction that is not skipped is a letter with case. */
  private static boolean isCased(int[] characters, int from, int direction) {
    int i = from + direction;
    while (i >= 0 && i < characters.length && isSkipped(characters[i])) {
      i += direction;
    }
    return i >= 0
        && i < characters.length
        && (Character.isLowerCase(characters[i])
            || Character.isUpperCase(characters[i])
            || Character.isTitleCase(characters[i]));
  }

  /** Unicode's Case_Ignorable. */
  private static boolean isSkipped(int character) {
    return switch (Character.getType(character)) {
      case Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.FORMAT,
          Character.MODIFIER_LETTER,
          Character.MODIFIER_SYMBOL ->
          true;
      default -> INSIDE_WORDS.indexOf(character) >= 0;
    };
  }

  /** How often each run of {@code order} words occurs. */
  static Map<List<String>, Integer> runs(List<String> words, int order) {
    Map<List<String>, Integer> out = new HashMap<>();
    for (int i = 0; i + order <= words.size(); i++) {
      out.merge(words.subList(i, i + order), 1, Integer::sum);
    }
    return out;
  }

  /** How many the two have in common, each counted as often as in the rarer of them. */
  static <T> int shared(Map<T, Integer> a, Map<T, Integer> b) {
    int shared = 0;
    for (Map.Entry<T, Integer> entry : a.entrySet()) {
      shared += Math.min(entry.getValue(), b.getOrDefault(entry.getKey(), 0));
    }
    return shared;
  }
}
