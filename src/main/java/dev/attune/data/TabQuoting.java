package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.FileOptions.Quoting;
import java.util.List;

/**
 * Whether quotes between tabs are text or quotes, told from the whole file, since every row of it
 * is evidence.
 *
 * <p>A writer that quotes does so by a rule: a field that holds a quote, a tab or a line break
 * stands in quotes, its quotes doubled; others do not, or else all texts do. So:
 *
 * <ul>
 *   <li>where all lines have the same number of fields, quotes are quotes if every field with one
 *       is well-formed and needs it, or if every text is quoted; one counter-example makes all of
 *       them text;
 *   <li>where they have not, quotes are quotes if with them all rows have;
 *   <li>where lines have, and rows in which quotes hold tabs or line breaks have too, nothing can
 *       tell a long field from a citation that begins in one row and ends in another: it is asked
 *       for.
 * </ul>
 *
 * @param note what the data report says; empty where there is no quote
 */
record TabQuoting(Quoting quoting, String note) {
  private static final String QUOTED = "fields quoted as in CSV";
  private static final String TEXT = "quotes are text";

  static TabQuoting of(DataFile file, Columns columns, FileOptions options, int linesAbove) {
    Evidence evidence = new Evidence(columns);
    try (TextLines lines = lines(file, options, linesAbove)) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        evidence.add(TextLines.chomp(line));
      }
    }
    if (evidence.quotes == 0) {
      return new TabQuoting(Quoting.NONE, "");
    }
    boolean quoted =
        evidence.even ? evidence.quoted() : fits(file, columns, options, linesAbove, false);
    if (evidence.even && !quoted && fits(file, columns, options, linesAbove, true)) {
      throw new InputException(
          file.shown()
              + ": its rows are even whether quotes hold tabs and line breaks or are text. Say"
              + " which: "
              + Term.QUOTING.of("csv")
              + " or "
              + Term.QUOTING.of("none"));
    }
    return quoted ? new TabQuoting(Quoting.CSV, QUOTED) : new TabQuoting(Quoting.NONE, TEXT);
  }

  private static TextLines lines(DataFile file, FileOptions options, int linesAbove) {
    TextLines lines = new TextLines(file.shown(), new DecodedText(file, options.encoding()), true);
    lines.skip(linesAbove);
    return lines;
  }

  /**
   * Whether all rows have the same number of fields where quotes are quotes.
   *
   * @param byRule whether fields must also stand in quotes just where they need to
   */
  private static boolean fits(
      DataFile file, Columns columns, FileOptions options, int linesAbove, boolean byRule) {
    try (TextLines lines = lines(file, options, linesAbove)) {
      CsvRecords records = new CsvRecords(file.shown(), lines, '\t');
      Evidence evidence = new Evidence(columns);
      for (List<String> row = records.next(); row != null; row = records.next()) {
        evidence.addWidth(row);
        if (!evidence.even || byRule && !records.isRuled()) {
          return false;
        }
      }
      return true;
    } catch (InputException e) {
      return false;
    }
  }

  /** What the lines of a file say. */
  private static final class Evidence {
    private final Columns columns;
    private int width;
    private boolean even = true;
    private int quotes;
    private boolean allNeeded = true;
    private boolean allTextsQuoted = true;
    private boolean wellFormed = true;

    Evidence(Columns columns) {
      this.columns = columns;
      width = columns.isPositional() ? columns.positions().size() : 0;
    }

    void addWidth(List<String> row) {
      if (row.size() == 1 && row.get(0).isEmpty()) {
        return;
      }
      width = width == 0 ? row.size() : width;
      even &= row.size() == width || columns.moreAllowed() && row.size() > width;
    }

    void add(String line) {
      List<String> fields = PlainRecords.split(line, '\t');
      addWidth(fields);
      for (String field : fields) {
        if (field.indexOf('"') >= 0) {
          quotes++;
          wellFormed &= isQuoted(field);
          // Within its quotes a field of one line needs them for nothing but a quote.
          allNeeded &= field.indexOf('"', 1) < field.length() - 1;
        } else if (!field.isEmpty() && !isNumber(field)) {
          allTextsQuoted = false;
        }
      }
    }

    boolean quoted() {
      return wellFormed && (allNeeded || allTextsQuoted);
    }

    /** Whether a field stands in quotes and all quotes within are doubled. */
    private static boolean isQuoted(String field) {
      int last = field.length() - 1;
      if (last < 1 || field.charAt(0) != '"' || field.charAt(last) != '"') {
        return false;
      }
      int at = 1;
      while (at < last) {
        if (field.charAt(at) != '"') {
          at++;
        } else if (at + 1 < last && field.charAt(at + 1) == '"') {
          at += 2;
        } else {
          return false;
        }
      }
      return true;
    }

    private static boolean isNumber(String field) {
      try {
        Double.parseDouble(field);
        return true;
      } catch (NumberFormatException e) {
        return false;
      }
    }
  }
}
