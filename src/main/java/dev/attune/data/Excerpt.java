package dev.attune.data;

import java.util.List;
import java.util.stream.Collectors;

/** What messages show of a file. */
final class Excerpt {
  private static final int SHOWN_CHARACTERS = 40;

  private Excerpt() {}

  /** The beginnings of fields, each in quotes. */
  static String quoted(List<String> fields) {
    return fields.stream().map(f -> "\"" + shortened(f) + "\"").collect(Collectors.joining(", "));
  }

  /** The beginning of a text, on one line. */
  static String shortened(String text) {
    String line = text.replaceAll("\\s+", " ");
    return line.length() <= SHOWN_CHARACTERS
        ? line
        : line.substring(
                0,
                line.offsetByCodePoints(
                    0, Math.min(SHOWN_CHARACTERS - 1, line.codePointCount(0, line.length()))))
            + "…";
  }
}
