package dev.attune.track;

import java.util.Locale;

/** Text and numbers in pages. */
final class Html {
  private Html() {}

  /** A text that is text, whatever stands in it. */
  static String escaped(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> {
                  boolean isShown = c >= ' ' && c != 0x7F || c == '\n' || c == '\t';
                  out.appendCodePoint(isShown ? c : 0xFFFD);
                }
              }
            });
    return out.toString();
  }

  /** A number for people; a dash where it is none. */
  static String number(double value) {
    if (!Double.isFinite(value)) {
      return "–";
    }
    if (value == Math.rint(value) && Math.abs(value) < 1e12) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
    return Math.abs(value) < 1e-3
        ? String.format(Locale.ROOT, "%.3g", value)
        : String.format(Locale.ROOT, "%.4f", value);
  }
}
