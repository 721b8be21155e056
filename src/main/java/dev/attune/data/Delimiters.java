package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.List;
import java.util.Map;

/** What parts the fields of tables, with names that no shell takes for its own. */
final class Delimiters {
  /** Those that files are tried with, the usual first. */
  static final List<Character> KNOWN = List.of(',', '\t', ';', '|', '，', '；');

  private static final Map<Character, String> NAMES =
      Map.of(
          ',',
          "comma",
          '\t',
          "tab",
          ';',
          "semicolon",
          '|',
          "pipe",
          ' ',
          "space",
          ':',
          "colon",
          '，',
          "full-width-comma",
          '；',
          "full-width-semicolon");

  private Delimiters() {}

  /** The delimiter that the user names, or writes as it is. */
  static char named(String given) {
    for (Map.Entry<Character, String> entry : NAMES.entrySet()) {
      if (entry.getValue().equals(given)) {
        return entry.getKey();
      }
    }
    if (given.equals("\\t")) {
      return '\t';
    }
    char only = given.isEmpty() ? '"' : given.charAt(0);
    if (given.length() != 1 || only == '"' || only == '\n' || only == '\r') {
      throw new InputException(
          Term.DELIMITER
              + " is '"
              + given
              + "'; give one character that is no quote and no line break, or comma, tab,"
              + " semicolon, pipe");
    }
    return only;
  }

  /** Its name: "semicolon". */
  static String name(char delimiter) {
    return NAMES.getOrDefault(delimiter, String.valueOf(delimiter));
  }

  /** Several of it: "semicolons". */
  static String plural(char delimiter) {
    return NAMES.containsKey(delimiter) ? name(delimiter) + "s" : "'" + delimiter + "'";
  }
}
