package dev.attune.data;

import java.util.ArrayList;
import java.util.List;

/**
 * A list as pandas and numpy write it into a cell: {@code ['a', "b's"]}, {@code [1, 0]}, {@code
 * ['a' 'b']}, and as JSON writes it. Strings stand in quotes; nothing else but integers has a
 * place.
 */
final class ListCell {
  private final String cell;
  private int at;

  private ListCell(String cell) {
    this.cell = cell;
  }

  /** The items as strings; null where the cell is no such list. */
  static List<String> parse(String text) {
    String cell = text.strip();
    return cell.startsWith("[") && cell.endsWith("]") ? new ListCell(cell).items() : null;
  }

  private List<String> items() {
    List<String> items = new ArrayList<>();
    at = 1;
    int end = cell.length() - 1;
    for (skipSpace(); at < end; skipSpace()) {
      String item = isQuote(cell.charAt(at)) ? string(end) : integer(end);
      if (item == null) {
        return null;
      }
      items.add(item);
      int after = at;
      skipSpace();
      if (at < end && cell.charAt(at) == ',') {
        at++;
      } else if (at < end && at == after) {
        return null; // two items run into each other
      }
    }
    return at == end ? items : null;
  }

  private static boolean isQuote(char c) {
    return c == '\'' || c == '"';
  }

  private void skipSpace() {
    while (Character.isWhitespace(cell.charAt(at))) {
      at++;
    }
  }

  /** A string in quotes; null where it does not end, or has an escape that is not known. */
  private String string(int end) {
    char quote = cell.charAt(at++);
    StringBuilder out = new StringBuilder();
    while (at < end && cell.charAt(at) != quote) {
      char c = cell.charAt(at++);
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escaped = at < end ? cell.charAt(at++) : 0;
      switch (escaped) {
        case '\\', '\'', '"', '/' -> out.append(escaped);
        case 'n' -> out.append('\n');
        case 't' -> out.append('\t');
        case 'r' -> out.append('\r');
        case 'x', 'u' -> {
          int digits = escaped == 'x' ? 2 : 4;
          String code = cell.substring(at, Math.min(end, at + digits));
          if (!code.matches("[0-9a-fA-F]{" + digits + "}")) {
            return null;
          }
          out.append((char) Integer.parseInt(code, 16));
          at += digits;
        }
        default -> {
          return null;
        }
      }
    }
    if (at >= end) {
      return null;
    }
    at++;
    return out.toString();
  }

  private String integer(int end) {
    int begin = at;
    while (at < end && (Character.isDigit(cell.charAt(at)) || cell.charAt(at) == '-')) {
      at++;
    }
    String digits = cell.substring(begin, at);
    return digits.matches("-?[0-9]+") ? digits : null;
  }
}
