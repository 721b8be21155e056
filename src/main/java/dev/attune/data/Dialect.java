package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.FileOptions.Quoting;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

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
    if (sample.above > 0) {
      notes.add(Count.many(sample.above, "line") + " above the header left out");
    }
    int linesAbove = sample.above + (sample.sepLine == null ? 0 : 1);
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
   * @param above how many comments and blank lines are in front of the header
   * @param text whole lines, without those
   * @param whole whether that is the whole file
   */
  private record Sample(
      Path file,
      Character sepLine,
      int above,
      String text,
      boolean whole,
      Columns columns,
      Quoting quoting) {

    static Sample of(DataFile file, Columns columns, FileOptions options) {
      try (TextLines lines =
          new TextLines(file.shown(), new DecodedText(file, options.encoding()), true)) {
        Character said = null;
        String line = lines.next();
        Matcher sepLine = SEP_LINE.matcher(line == null ? "" : line);
        if (sepLine.matches()) {
          said = sepLine.group(1).charAt(0);
          line = lines.next();
        }
        int above = 0;
        String comment = null; // the last one
        int aboveComment = 0;
        while (line != null && mayBeAbove(line) && !columns.isPositional()) {
          if (line.startsWith("#")) {
            comment = line;
            aboveComment = above;
          }
          above++;
          line = lines.next();
        }
        StringBuilder rows = new StringBuilder();
        while (line != null && rows.length() < SAMPLE) {
          rows.append(line).append('\n');
          line = lines.next();
        }
        Sample sample =
            new Sample(
                file.shown(),
                said,
                above,
                rows.toString(),
                line == null,
                columns,
                options.quoting());
        Character only = options.delimiter() != null ? options.delimiter() : said;
        if (comment != null && sample.isHeader(comment, only)) {
          String text = comment + '\n' + rows;
          return new Sample(
              file.shown(), said, aboveComment, text, line == null, columns, options.quoting());
        }
        // Where nothing follows them, they are what the file holds.
        return rows.isEmpty() ? sample.withNothingAbove() : sample;
      }
    }

    private Sample withNothingAbove() {
      return new Sample(file, sepLine, 0, text, whole, columns, quoting);
    }

    private static boolean mayBeAbove(String line) {
      return line.isBlank() || line.startsWith("#");
    }

    /**
     * Whether what looks like a comment is the header itself: it has a name that is asked for or,
     * where the first row names no text, names one itself or has as many fields as that.
     *
     * @param only what parts fields; null: any delimiter may
     */
    private boolean isHeader(String comment, Character only) {
      List<Character> delimiters = only == null ? Delimiters.KNOWN : List.of(only);
      String names = comment.replaceFirst("^#+", "");
      boolean isAskedFor =
          delimiters.stream()
              .flatMap(c -> firsts(comment, c))
              .anyMatch(cells -> cells.stream().anyMatch(columns::asksFor));
      if (isAskedFor || delimiters.stream().flatMap(c -> firsts(text, c)).anyMatch(this::isNamed)) {
        return isAskedFor;
      }
      return delimiters.stream().flatMap(c -> firsts(names, c)).anyMatch(this::isNamed)
          || delimiters.stream().anyMatch(c -> haveSameWidth(names, c));
    }

    private boolean haveSameWidth(String names, char delimiter) {
      return quotings(delimiter)
          .map(tried -> first(names, delimiter, tried).size())
          .anyMatch(
              width ->
                  width > 1
                      && firsts(text, delimiter).anyMatch(row -> row.size() == width.intValue()));
    }

    private boolean isNamed(List<String> cells) {
      try {
        return columns.isUsable(new HashSet<>(cells.stream().map(String::strip).toList()));
      } catch (InputException e) {
        return true; // two names mean the same
      }
    }

    /** How quotes may be meant, that of most files between such delimiters first. */
    private Stream<Quoting> quotings(char delimiter) {
      if (quoting != null) {
        return Stream.of(quoting);
      }
      return delimiter == '\t' ? Stream.of(Quoting.NONE, Quoting.CSV) : Stream.of(Quoting.CSV);
    }

    private Stream<List<String>> firsts(String text, char delimiter) {
      return quotings(delimiter).map(tried -> first(text, delimiter, tried));
    }

    /** The first record of a text; where its quotes are none, that of its first line. */
    private List<String> first(String text, char delimiter, Quoting tried) {
      try {
        TextLines lines = new TextLines(file, new StringReader(text), true);
        List<String> row = records(file, lines, delimiter, tried).next();
        return row == null ? List.of() : row;
      } catch (InputException e) {
        TextLines lines = new TextLines(file, new StringReader(text), true);
        return new PlainRecords(lines, delimiter).next();
      }
    }

    /** Whether every row has as many fields as the first, two or more, or as columns are named. */
    boolean fits(char delimiter) {
      return quotings(delimiter).anyMatch(tried -> fits(delimiter, tried));
    }

    private boolean fits(char delimiter, Quoting tried) {
      TextLines lines = new TextLines(file, new StringReader(text), true);
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
