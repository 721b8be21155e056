package dev.attune.data;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The records of a table as RFC 4180 has them: a field in quotes may hold delimiters, line breaks
 * and doubled quotes. A quote inside a field that does not begin with one is text.
 */
final class CsvRecords implements TableRows {
  private final Path file;
  private final TextLines lines;
  private final char delimiter;
  private int row;
  private boolean open;
  private boolean ruled = true;

  CsvRecords(Path file, TextLines lines, char delimiter) {
    this.file = file;
    this.lines = lines;
    this.delimiter = delimiter;
  }

  /**
   * Whether so far every field stands in quotes just where it holds a quote, a delimiter or a line
   * break, as writers do that quote by need.
   */
  boolean isRuled() {
    return ruled;
  }

  /** Whether the text ended within a field in quotes. */
  boolean isOpen() {
    return open;
  }

  @Override
  public int row() {
    return row;
  }

  @Override
  public List<String> next() {
    String line = lines.next();
    if (line == null) {
      return null;
    }
    row = lines.number();
    List<String> fields = new ArrayList<>();
    int at = 0;
    while (true) {
      if (at < line.length() && line.charAt(at) == '"') {
        StringBuilder field = new StringBuilder();
        at++;
        while (true) {
          if (at == line.length()) {
            line = lines.next();
            if (line == null) {
              open = true;
              throw new InputException(
                  file
                      + ", row "
                      + row
                      + ": the quote that opens field "
                      + (fields.size() + 1)
                      + " is never closed. Write a quote inside a quoted field twice (\"\").");
            }
            field.append('\n');
            at = 0;
          } else if (line.charAt(at) != '"') {
            field.append(line.charAt(at++));
          } else if (at + 1 < line.length() && line.charAt(at + 1) == '"') {
            field.append('"');
            at += 2;
          } else {
            at++;
            break;
          }
        }
        fields.add(field.toString());
        ruled &= needsQuotes(field);
        String rest = TextLines.chomp(line.substring(at));
        if (rest.isEmpty()) {
          return fields;
        }
        if (rest.charAt(0) != delimiter) {
          throw new InputException(
              file
                  + ", row "
                  + lines.number()
                  + ": \""
                  + Excerpt.shortened(rest)
                  + "\" follows the closing quote of field "
                  + fields.size()
                  + ", where only a "
                  + Delimiters.name(delimiter)
                  + " can. Write a quote inside a quoted field twice (\"\").");
        }
        at++;
      } else {
        int end = line.indexOf(delimiter, at);
        String field = end < 0 ? TextLines.chomp(line.substring(at)) : line.substring(at, end);
        fields.add(field);
        ruled &= field.indexOf('"') < 0;
        if (end < 0) {
          return fields;
        }
        at = end + 1;
      }
    }
  }

  private boolean needsQuotes(StringBuilder field) {
    return field.chars().anyMatch(c -> c == '"' || c == delimiter || c == '\n' || c == '\r');
  }
}
