package dev.attune.data;

import java.io.IOException;
import java.io.Writer;
import java.util.List;

/**
 * Writes tables that our readers, pandas and spreadsheets read back the same: a field stands in
 * quotes just where it holds a quote, the delimiter or a line break, its quotes doubled.
 */
public final class TableWriter {
  private final Writer out;
  private final char delimiter;

  /**
   * A table.
   *
   * @param delimiter comma or tab
   */
  public TableWriter(Writer out, char delimiter) {
    this.out = out;
    this.delimiter = delimiter;
  }

  /** Writes one row, of a header or of data. */
  public void row(List<String> fields) throws IOException {
    for (int i = 0; i < fields.size(); i++) {
      if (i > 0) {
        out.write(delimiter);
      }
      out.write(field(fields.get(i)));
    }
    out.write('\n');
  }

  private String field(String text) {
    boolean quoted =
        text.chars().anyMatch(c -> c == '"' || c == delimiter || c == '\n' || c == '\r');
    return quoted ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }
}
