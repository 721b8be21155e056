package dev.attune.metrics;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Words and runs of them, as Python's text metrics count them. */
final class Words {
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

  /** {@code str.rstrip()}. */
  static String stripEnd(String text) {
    int end = text.length();
    while (end > 0 && isSpace(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end);
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
