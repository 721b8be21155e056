package dev.attune.jinja;

import java.util.ArrayList;
import java.util.List;

/** Python's string methods. */
final class Text {
  private Text() {}

  /** {@code str.isspace} of one character. */
  static boolean isSpace(int c) {
    return (c >= 9 && c <= 13)
        || (c >= 0x1C && c <= 0x1F)
        || c == 0x85
        || (c >= 32 && Character.isSpaceChar(c));
  }

  /**
   * {@code str.strip} and its one-sided kin.
   *
   * @param chars what is stripped; null: white space
   */
  static String strip(String text, String chars, boolean left, boolean right) {
    Budget.spend(
        chars == null ? 0 : (long) text.length() * Math.min(chars.length(), text.length()));
    int begin = 0;
    int end = text.length();
    while (left && begin < end && strips(text.codePointAt(begin), chars)) {
      begin += Character.charCount(text.codePointAt(begin));
    }
    while (right && end > begin && strips(text.codePointBefore(end), chars)) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(begin, end);
  }

  private static boolean strips(int c, String chars) {
    return chars == null ? isSpace(c) : chars.indexOf(c) >= 0;
  }

  /**
   * {@code str.split}, or {@code str.rsplit}.
   *
   * @param separator null: runs of white space
   * @param most pieces are cut off at most; below 0: all
   */
  static List<Object> split(String text, String separator, long most, boolean fromRight) {
    if (separator != null && separator.isEmpty()) {
      throw new TemplateException("split: the separator is empty");
    }
    if (fromRight && most >= 0) {
      String back = new StringBuilder(text).reverse().toString();
      String by = separator == null ? null : new StringBuilder(separator).reverse().toString();
      List<Object> reversed = split(back, by, most, false);
      List<Object> out = new ArrayList<>();
      for (int i = reversed.size() - 1; i >= 0; i--) {
        out.add(new StringBuilder((String) reversed.get(i)).reverse().toString());
      }
      return out;
    }
    return separator == null ? words(text, most) : pieces(text, separator, most);
  }

  private static List<Object> pieces(String text, String separator, long most) {
    List<Object> out = new ArrayList<>();
    int begin = 0;
    Search search = new Search(separator);
    int end = search.in(text, 0);
    while (end >= 0 && (most < 0 || out.size() < most)) {
      out.add(text.substring(begin, end));
      Budget.checkItems(out.size());
      begin = end + separator.length();
      end = search.in(text, begin);
    }
    out.add(text.substring(begin));
    return out;
  }

  private static List<Object> words(String text, long most) {
    List<Object> out = new ArrayList<>();
    int begin = afterSpaces(text, 0);
    while (begin < text.length()) {
      int end = begin;
      while (end < text.length() && !isSpace(text.charAt(end))) {
        end++;
      }
      if (most >= 0 && out.size() >= most) {
        out.add(text.substring(begin));
        break;
      }
      out.add(text.substring(begin, end));
      Budget.checkItems(out.size());
      begin = afterSpaces(text, end);
    }
    return out;
  }

  private static int afterSpaces(String text, int from) {
    int at = from;
    while (at < text.length() && isSpace(text.charAt(at))) {
      at++;
    }
    return at;
  }

  /** {@code str.replace}. */
  static String replace(String text, String old, String by, long most) {
    if (old.isEmpty()) {
      throw new TemplateException("replace: what is replaced is empty");
    }
    StringBuilder out = new StringBuilder();
    int begin = 0;
    Search search = new Search(old);
    for (long n = 0; most < 0 || n < most; n++) {
      int found = search.in(text, begin);
      if (found < 0) {
        break;
      }
      out.append(text, begin, found).append(by);
      Budget.checkLength(out.length());
      begin = found + old.length();
    }
    return out.append(text.substring(begin)).toString();
  }

  /** {@code str.splitlines}. */
  static List<Object> lines(String text, boolean keepEnds) {
    List<Object> out = new ArrayList<>();
    int begin = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean breaks =
          (c >= 10 && c <= 13)
              || (c >= 0x1C && c <= 0x1E)
              || c == 0x85
              || c == 0x2028
              || c == 0x2029;
      if (breaks) {
        int end = c == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n' ? i + 2 : i + 1;
        out.add(text.substring(begin, keepEnds ? end : i));
        Budget.checkItems(out.size());
        begin = end;
        i = end - 1;
      }
    }
    if (begin < text.length()) {
      out.add(text.substring(begin));
    }
    return out;
  }

  /** The first letter large, the others small. */
  static String capitalised(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = text.offsetByCodePoints(0, 1);
    return text.substring(0, first).toUpperCase(java.util.Locale.ROOT)
        + text.substring(first).toLowerCase(java.util.Locale.ROOT);
  }

  /** {@code str.title}: as {@link #capitalised}, for each run of letters. */
  static String title(String text) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inWord = Character.isLetter(c);
      i += Character.charCount(c);
    }
    return out.toString();
  }

  /** The texts of items with a separator between them. */
  static String join(List<Object> items, String separator) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : separator).append(Values.string(items.get(i)));
      Budget.checkLength(out.length());
    }
    return out.toString();
  }
}
