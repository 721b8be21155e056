package dev.attune.data;

import java.util.ArrayList;
import java.util.List;

/** The lines of a table whose fields are parted by a delimiter alone: quotes are text. */
record PlainRecords(TextLines lines, char delimiter) implements TableRows {
  @Override
  public List<String> next() {
    String line = lines.next();
    return line == null ? null : split(TextLines.chomp(line), delimiter);
  }

  @Override
  public int row() {
    return lines.number();
  }

  /** The fields of a line. */
  static List<String> split(String line, char delimiter) {
    List<String> fields = new ArrayList<>();
    int from = 0;
    for (int at = line.indexOf(delimiter); at >= 0; at = line.indexOf(delimiter, from)) {
      fields.add(line.substring(from, at));
      from = at + 1;
    }
    fields.add(line.substring(from));
    return fields;
  }
}
