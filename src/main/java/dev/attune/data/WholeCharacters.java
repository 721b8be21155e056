package dev.attune.data;

import dev.attune.core.Count;
import java.util.List;
import java.util.Map;

/**
 * Finds halves of characters: JSON can spell one half of a surrogate pair, which stands for no
 * character and cannot be written again. Cutting a text inside an emoji makes them.
 */
final class WholeCharacters {
  private WholeCharacters() {}

  /** The first string within a value that holds half a character; null: none does. */
  static String broken(Object value) {
    if (value instanceof String text) {
      return half(text) >= 0 ? text : null;
    }
    if (value instanceof Map<?, ?> map) {
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        String found = broken(entry.getKey());
        found = found == null ? broken(entry.getValue()) : found;
        if (found != null) {
          return found;
        }
      }
    } else if (value instanceof List<?> list) {
      for (Object item : list) {
        String found = broken(item);
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }

  /** What is wrong with such a text, for people. */
  static String describe(String broken) {
    int at = half(broken);
    return String.format(
        "half a character (\\u%04x, alone) after %s: the text was cut inside of one. Write"
            + " the character whole, or \\ufffd in its place",
        (int) broken.charAt(at), Count.many(broken.codePointCount(0, at), "character"));
  }

  private static int half(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        return i;
      }
    }
    return -1;
  }
}
