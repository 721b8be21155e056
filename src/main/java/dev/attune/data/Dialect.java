package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.FileOptions.Quoting;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How the rows of a table are written: what parts fields, and whether they may stand in quotes.
 *
 * <p>Blank lines and comments (#) above the header are no rows, which the data report says.
 *
 * <p>The delimiter is what the user says, else what a first line {@code sep=;} says (as Excel
 * writes it), else that of the format; but where the rows do not fit that one and do fit exactly
 * one other, it is the other. Where rows without header fit two, nothing can tell, and it is asked
 * for.
 *
 * <p>Quotes mean what RFC 4180 says, except between tabs. There both kinds of file are common:
 * those in which a quote is text (GLUE's) and those that pandas, R and spreadsheets wrote. {@link
 * TabQuoting} tells them apart.
 *
 * @param delimiter between fields
 * @param quoting of fields
 * @param linesAbove lines in front of the first row: one that only names the delimiter, comments
 *     and blank ones
 * @param note what was told from the content, for the data report; or empty
 */
record Dialect(char delimiter, Quoting quoting, int linesAbove, String note) {
  private static final Pattern SEP_LINE = Pattern.compile("\"?(?i:sep)=(.)\"?\\r?");

  /** Characters at the start of a file by which its delimiter is told. */
  private static final int SAMPLE = 1 << 20;

  /** Tells how a file's rows are written. */
  static Dialect of(DataFile file, Format format, Columns columns, FileOptions options) {
    Sample sample = Sample.of(file, columns, options);
    char usual = format == Format.TSV ? '\t' : ',';
    List<String> notes = new ArrayList<>();
    char delimiter = delimiter(sample, usual, options);
    if (delimiter != usual && options.delimiter() == null) {
      notes.add("fields parted by " + Delimiters.plural(delimiter));
    }
    if (!sample.above.isEmpty()) {
      notes.add(Count.many(sample.above.size(), "line") + " above the header left out");
    }
    int linesAbove = sample.above.size() + (sample.sepLine == null ? 0 : 1);
    Quoting quoting = options.quoting();
    if (quoting == null && delimiter == '\t') {
      TabQuoting found = TabQuoting.of(file, columns, options, linesAbove);
      quoting = found.quoting();
      if (!found.note().isEmpty()) {
        notes.add(found.note());
      }
    }
    return new Dialect(
        delimiter, quoting == null ? Quoting.CSV : quoting, linesAbove, String.join(", ", notes));
  }

  private static char delimiter(Sample sample, char usual, FileOptions options) {
    Character said = sample.sepLine;
    if (options.delimiter() != null) {
      if (said != null && !said.equals(options.delimiter())) {
        throw new InputException(
            sample.file
                + ", row 1 says that fields are parted by "
                + Delimiters.plural(said)
                + ", but "
                + Term.DELIMITER.of(Delimiters.name(options.delimiter()))
                + " was given; leave it out");
      }
      return options.delimiter();
    }
    if (said != null) {
      return said;
    }
    boolean fits = sample.fits(usual);
    if (fits && (usual == '\t' || !sample.columns.isPositional())) {
      return usual;
    }
    List<Character> others =
        Delimiters.KNOWN.stream().filter(c -> c != usual && sample.fits(c)).toList();
    if (fits && !others.isEmpty()) {
      throw new InputException(
          sample.file
              + ": its rows have the fields of "
              + Term.COLUMNS
              + " whether they are parted by "
              + Delimiters.plural(usual)
              + " or by "
              + Delimiters.plural(others.get(0))
              + ". Say which: "
              + Term.DELIMITER.of(Delimiters.name(usual))
              + " or "
              + Term.DELIMITER.of(Delimiters.name(others.get(0))));
    }
    return !fits && others.size() == 1 ? others.get(0) : usual;
  }

  /** The rows of a file's text. */
  TableRows records(Path file, TextLines lines) {
    lines.skip(linesAbove);
    return records(file, lines, delimiter, quoting);
  }

  private static TableRows records(Path file, TextLines lines, char delimiter, Quoting quoting) {
    return quoting == Quoting.CSV
        ? new CsvRecords(file, lines, delimiter)
        : new PlainRecords(lines, delimiter);
  }

  /** What to do about a row with too many fields. */
  String remedyForTooMany() {
    String one = Delimiters.name(delimiter);
    return quoting == Quoting.CSV
        ? "Put a field with " + Delimiters.plural(delimiter) + " in quotes."
        : String.format(Locale.ROOT, "A %s inside a text must become a space.", one);
  }

  /** What else a header that names no column may be parted by, as advice; or empty. */
  String otherDelimiter(List<String> header) {
    if (header.size() != 1) {
      return "";
    }
    for (char other : Delimiters.KNOWN) {
      if (other != delimiter && header.get(0).indexOf(other) >= 0) {
        return ". The fields seem to be parted by "
            + Delimiters.plural(other)
            + ": "
            + Term.DELIMITER.of(Delimiters.name(other));
      }
    }
    return "";
  }

  /**
   * The beginning of a file, whose rows are tried with several delimiters.
   *
   * @param sepLine what its first line says, or null
   * @param above comments and blank lines in front of the header
   * @param text whole lines, without those
   * @param whole whether that is the whole file
   */
  private record Sample(
      Path file,
      Character sepLine,
      List<String> above,
      String text,
      boolean whole,
      Columns columns,
      Quoting quoting) {

    static Sample of(DataFile file, Columns columns, FileOptions options) {
      try (TextLines lines =
          new TextLines(file.shown(), new DecodedText(file, options.encoding()))) {
        StringBuilder text = new StringBuilder();
        Character said = null;
        String line = lines.next();
        Matcher sepLine = SEP_LINE.matcher(line == null ? "" : line);
        if (sepLine.matches()) {
          said = sepLine.group(1).charAt(0);
          line = lines.next();
        }
        List<String> above = new ArrayList<>();
        while (line != null && mayBeAbove(line) && !columns.isPositional()) {
          above.add(line);
          line = lines.next();
        }
        if (!above.isEmpty() && (line == null || isHeader(above, line, columns))) {
          above.forEach(each -> text.append(each).append('\n'));
          above.clear();
        }
        while (line != null && text.length() < SAMPLE) {
          text.append(line).append('\n');
          line = lines.next();
        }
        return new Sample(
            file.shown(), said, above, text.toString(), line == null, columns, options.quoting());
      }
    }

    private static boolean mayBeAbove(String line) {
      return line.isBlank() || line.startsWith("#");
    }

    /** Whether what looks like a comment is the header itself: it has as many fields as a row. */
    private static boolean isHeader(List<String> above, String row, Columns columns) {
      String last = TextLines.chomp(above.get(above.size() - 1));
      return last.startsWith("#")
          && (columns.asksFor(last)
              || Delimiters.KNOWN.stream()
                  .anyMatch(c -> fields(last, c) > 1 && fields(last, c) == fields(row, c)));
    }

    private static long fields(String line, char delimiter) {
      return 1 + line.chars().filter(c -> c == delimiter).count();
    }

    /** Whether every row has as many fields as the first, two or more, or as columns are named. */
    boolean fits(char delimiter) {
      if (quoting != null) {
        return fits(delimiter, quoting);
      }
      return delimiter == '\t' && fits(delimiter, Quoting.NONE) || fits(delimiter, Quoting.CSV);
    }

    private boolean fits(char delimiter, Quoting tried) {
      TextLines lines = new TextLines(file, new StringReader(text));
      TableRows records = records(file, lines, delimiter, tried);
      int width = columns.isPositional() ? columns.positions().size() : 0;
      try {
        for (List<String> row = records.next(); row != null; row = records.next()) {
          boolean blank = row.size() == 1 && row.get(0).isEmpty();
          width = width == 0 ? row.size() : width;
          boolean more = columns.moreAllowed() && row.size() > width;
          if (!blank && row.size() != width && !more) {
            return false;
          }
        }
      } catch (InputException e) {
        boolean cut = !whole && records instanceof CsvRecords csv && csv.isOpen();
        return cut && width > 1;
      }
      return width > 1;
    }
  }
}
