package dev.attune.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One example as the file has it.
 *
 * @param row line of the file where it begins, counted from 1, header included
 * @param text the text; null where the file has tokens or other columns instead
 * @param textPair the second text of a pair, or null
 * @param label the label as written, or null
 * @param tokens words that are already split, or null
 * @param tags one tag a word, or null
 * @param fields every column of the row in file order: strings from CSV and TSV, plain Java values
 *     (String, Number, Boolean, List, Map, null) from JSONL
 */
public record Example(
    int row,
    String text,
    String textPair,
    String label,
    List<String> tokens,
    List<String> tags,
    Map<String, Object> fields) {

  public Example {
    tokens = tokens == null ? null : List.copyOf(tokens);
    tags = tags == null ? null : List.copyOf(tags);
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** An example with text and label only. */
  public static Example of(int row, String text, String label) {
    return new Example(row, text, null, label, null, null, Map.of());
  }

  /** An example with words and tags only. */
  public static Example ofTokens(int row, List<String> tokens, List<String> tags) {
    return new Example(row, null, null, null, tokens, tags, Map.of());
  }

  /** A column of the row as a string, or null where there is none. */
  public String field(String name) {
    Object value = fields.get(name);
    return value == null ? null : value.toString();
  }

  /**
   * The text by which two examples count as equal: both texts, or the words, in lower case, with
   * runs of white space as one space.
   */
  String normalised() {
    List<String> parts = new ArrayList<>();
    if (tokens != null) {
      parts.add(String.join(" ", tokens));
    } else {
      parts.add(text == null ? "" : text);
      if (textPair != null) {
        parts.add(textPair);
      }
    }
    // U+0000 cannot be confused with text: it parts the two texts of a pair.
    StringBuilder out = new StringBuilder();
    for (String part : parts) {
      if (out.length() > 0) {
        out.append('\0');
      }
      appendNormalised(part, out);
    }
    return out.toString();
  }

  private static void appendNormalised(String text, StringBuilder out) {
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
