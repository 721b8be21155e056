package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Rows that are read while they are learned from, so that few are held at a time and how many there
 * are need not be known: lines of JSON, or texts a line, of a file, which may grow, or of what can
 * be read but once, such as standard input. What the columns are is told from the first rows.
 *
 * <p>For one thread at a time.
 */
public final class RowStream implements AutoCloseable {
  /**
   * A line that is not read yet.
   *
   * @param number in its source, from 1
   */
  public record Line(int number, String text) {}

  private final Path path;
  private final ReadOptions options;
  private final Format format;
  private final Path shown;
  private final BadRows bad;
  private final ExampleReader reader;
  private final List<Line> first = new ArrayList<>();
  private int firstRows; // of those that tell what the columns are; 0: they are not read yet
  private Pass coming; // of what can be read but once; null: a file, or its pass was taken

  private RowStream(Path path, Format format, ReadOptions options) {
    this.path = path;
    this.format = format;
    this.options = options;
    this.shown = path.equals(DataFile.STANDARD_INPUT) ? Path.of("standard input") : path;
    this.bad = new BadRows(options.skipBadRows(), "row");
    this.reader = new ExampleReader(shown, options, false, bad, Map.of());
  }

  /**
   * Opens a source.
   *
   * @throws InputException if there are several, or its rows do not stand on a line each
   */
  public static RowStream open(List<String> paths, ReadOptions options) {
    List<Path> files = DataFiles.of(paths, options.written());
    if (files.size() != 1) {
      throw new InputException(
          Term.STREAMING
              + " reads one file, and these are "
              + files.size()
              + ". Join them (cat), or leave it out: large files need no more memory than small ones");
    }
    Path path = files.get(0);
    Format named = options.written().format();
    Format format =
        named != null ? named : Format.of(DataFile.uncompressed(path), options.columns());
    if (format != Format.JSONL && format != Format.LINES) {
      throw new InputException(
          Term.STREAMING
              + " reads "
              + Format.JSONL
              + " and "
              + Format.LINES
              + " (a text a line), and "
              + path
              + " is "
              + format
              + ". Write it as JSON Lines, or leave "
              + Term.STREAMING
              + " out: large files need no more memory than small ones");
    }
    if (format == Format.JSONL) {
      JsonlReader.checkColumns(path, options.columns());
    } else {
      options.columns().checkNone(path, "has a text a line and no columns");
    }
    return new RowStream(path, format, options);
  }

  /** Whether one of some sources can be read but once. */
  public static boolean isOnce(List<String> paths) {
    return paths.stream().map(Path::of).anyMatch(DataFile::isOnce);
  }

  /** As messages name it. */
  public Path source() {
    return shown;
  }

  /** Whether it can be read but once. */
  public boolean isOnce() {
    return DataFile.isOnce(path);
  }

  /**
   * The first rows, which tell what the columns are: to be called once, before all else.
   *
   * @param most rows to read; fewer where there are no more as yet
   */
  public Dataset first(int most) {
    Pass pass = new Pass(List.of());
    try {
      for (Line line = pass.next(); line != null; line = pass.next()) {
        first.add(line);
        if (first.size() == most) {
          break;
        }
      }
    } finally {
      if (!isOnce()) {
        pass.close();
      }
    }
    if (first.isEmpty()) {
      throw new InputException(shown + " is empty");
    }
    int found = first.size();
    firstRows = found;
    coming = isOnce() ? new Pass(pass, List.copyOf(first)) : null;
    Dataset data =
        format == Format.JSONL ? reader.read(rows(first)) : bad.noted(texts(List.copyOf(first)));
    first.clear();
    return data.written("a stream of which the first " + Count.many(found, "row") + " are counted")
        .with(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "streamed",
                "rows are read while they are learned from, as "
                    + Term.STREAMING
                    + " says, and how many there are is not known: the first "
                    + found
                    + " tell columns and labels, and what is said here of training data is of them"
                    + " alone"));
  }

  /** How many rows {@link #first} has read, bad ones among them. */
  public int firstRows() {
    return firstRows;
  }

  /** A pass over all rows, from the first one; of what can be read but once there is one. */
  public Pass pass() {
    if (!isOnce()) {
      return new Pass(List.of());
    }
    Pass pass = coming;
    coming = null;
    if (pass == null) {
      throw new InputException(shown + " can be read but once");
    }
    return pass;
  }

  /** The examples of some lines; of those that cannot be read, none where bad rows are left out. */
  public Dataset read(List<Line> lines) {
    return format == Format.JSONL ? reader.more(rows(lines)) : texts(lines);
  }

  private List<ExampleReader.Row> rows(List<Line> lines) {
    List<ExampleReader.Row> rows = new ArrayList<>(lines.size());
    for (Line line : lines) {
      try {
        rows.add(JsonlReader.row(shown, line.number(), line.text()));
      } catch (BadRow e) {
        bad.add(line.number(), e.reason());
      }
    }
    return rows;
  }

  private Dataset texts(List<Line> lines) {
    List<Example> examples = new ArrayList<>(lines.size());
    for (Line line : lines) {
      examples.add(
          new Example(
              line.number(), line.text(), null, null, null, null, Map.of("text", line.text())));
    }
    return new Dataset(shown, examples, "a text a line");
  }

  @Override
  public void close() {
    if (coming != null) {
      coming.close();
    }
  }

  /** The lines from the first one to what is the last one when it is come to. */
  public final class Pass implements AutoCloseable {
    private final DataFile file;
    private final TextLines lines;
    private final Iterator<Line> before;
    private int unfinished;

    private Pass(List<Line> before) {
      this.before = before.iterator();
      file = DataFile.asItComes(path);
      lines = new TextLines(shown, new DecodedText(file, options.written().encoding()));
    }

    /** The same with lines that were read already. */
    private Pass(Pass begun, List<Line> before) {
      this.before = before.iterator();
      file = begun.file;
      lines = begun.lines;
    }

    /** The next line that is not blank; null where there is none, or none that is whole. */
    public Line next() {
      if (before.hasNext()) {
        return before.next();
      }
      while (true) {
        InterruptedCallException.check("reading " + shown);
        String line = lines.next();
        if (line == null) {
          return null;
        }
        String text = TextLines.chomp(line);
        if (text.isBlank()) {
          continue;
        }
        if (format == Format.JSONL && !lines.endsInBreak() && !isWhole(text)) {
          unfinished = lines.number();
          return null;
        }
        return new Line(lines.number(), text);
      }
    }

    /** A last line without its end may be one that somebody is writing. */
    private boolean isWhole(String text) {
      try {
        JsonLines.row(shown, lines.number(), text, false);
        return true;
      } catch (BadRow e) {
        return false;
      }
    }

    /** The number of the last line, where that was left for being half written; else 0. */
    public int unfinished() {
      return unfinished;
    }

    @Override
    public void close() {
      lines.close();
      file.close();
    }
  }
}
