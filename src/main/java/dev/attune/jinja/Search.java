package dev.attune.jinja;

/**
 * A search for one string. The search of the JDK compares as many characters as both lengths
 * multiplied where texts are made for it; for long parts this is Knuth, Morris and Pratt's.
 */
final class Search {
  private static final int SHORT = 16;

  private final String part;
  private int[] borders; // of each beginning of the part the longest that it also ends with

  Search(String part) {
    this.part = part;
  }

  int in(String text, int from) {
    if (part.length() <= SHORT) {
      int found = text.indexOf(part, from);
      Budget.spend((found < 0 ? text.length() : found) - from + 1L);
      return found;
    }
    if (borders == null) {
      borders = borders();
    }
    int matched = 0;
    for (int i = from; i < text.length(); i++) {
      while (matched > 0 && text.charAt(i) != part.charAt(matched)) {
        matched = borders[matched - 1];
      }
      matched += text.charAt(i) == part.charAt(matched) ? 1 : 0;
      if (matched == part.length()) {
        Budget.spend(i + 1L - from);
        return i + 1 - matched;
      }
    }
    Budget.spend(Math.max(0, text.length() - from));
    return -1;
  }

  private int[] borders() {
    Budget.spend(part.length());
    int[] out = new int[part.length()];
    for (int i = 1, length = 0; i < out.length; i++) {
      while (length > 0 && part.charAt(i) != part.charAt(length)) {
        length = out[length - 1];
      }
      length += part.charAt(i) == part.charAt(length) ? 1 : 0;
      out[i] = length;
    }
    return out;
  }

  /** {@code text.indexOf(part, from)}, in time that the lengths bound. */
  static int find(String text, String part, int from) {
    return new Search(part).in(text, from);
  }

  /** {@code text.lastIndexOf(part)}, likewise. */
  static int findLast(String text, String part) {
    if (part.isEmpty()) {
      return text.length();
    }
    String back = new StringBuilder(text).reverse().toString();
    int found = find(back, new StringBuilder(part).reverse().toString(), 0);
    return found < 0 ? -1 : text.length() - found - part.length();
  }
}
