package dev.attune.data;

/** The form of a text by which two count as equal. */
final class EqualText {
  private EqualText() {}

  /** One text in lower case, with runs of white space as one space. */
  static String of(String text) {
    StringBuilder out = new StringBuilder();
    append(text, out);
    return out.toString();
  }

  /** Appends it to another. */
  static void append(String text, StringBuilder out) {
    boolean gap = false;
    int begin = out.length();
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      if (Character.isWhitespace(c) || Character.isSpaceChar(c)) {
        gap = out.length() > begin;
      } else {
        if (gap) {
          out.append(' ');
          gap = false;
        }
        out.appendCodePoint(Character.toLowerCase(c));
      }
    }
  }
}
