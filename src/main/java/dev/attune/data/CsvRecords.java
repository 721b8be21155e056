package dev.attune.data;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The records of a CSV file as RFC 4180 has them: a field in quotes may hold commas, line breaks
 * and doubled quotes. A quote inside a field that does not begin with one is text.
 */
final class CsvRecords implements RowReader.Records {
  private final Path file;
  private final Utf8Lines lines;
  private int row;

  CsvRecords(Path file, Utf8Lines lines) {
    this.file = file;
    this.lines = lines;
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
        String rest = Utf8Lines.chomp(line.substring(at));
        if (rest.isEmpty()) {
          return fields;
        }
        if (rest.charAt(0) != ',') {
          throw new InputException(
              file
                  + ", row "
                  + lines.number()
                  + ": \""
                  + Excerpt.shortened(rest)
                  + "\" follows the closing quote of field "
                  + fields.size()
                  + ", where only a comma can. Write a quote inside a quoted field twice (\"\").");
        }
        at++;
      } else {
        int comma = line.indexOf(',', at);
        if (comma < 0) {
          fields.add(Utf8Lines.chomp(line.substring(at)));
          return fields;
        }
        fields.add(line.substring(at, comma));
        at = comma + 1;
      }
    }
  }
}
