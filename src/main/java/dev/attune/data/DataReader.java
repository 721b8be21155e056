package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Reads data files. Every complaint names the file and the row. */
public final class DataReader {
  private DataReader() {}

  /** Reads a file whose columns are recognised by name, in the format of its extension. */
  public static Dataset read(Path file) {
    return read(file, Columns.automatic());
  }

  /** Reads a file with the given columns, in the format of its extension. */
  public static Dataset read(Path file, Columns columns) {
    return read(file, ReadOptions.of(columns));
  }

  /** Reads a file in the format of its extension. */
  public static Dataset read(Path file, ReadOptions options) {
    return read(file, options, Format.of(file, options.columns()));
  }

  /** Reads a file in the given format. */
  static Dataset read(Path file, ReadOptions options, Format format) {
    Columns columns = options.columns();
    try (Utf8Lines lines = new Utf8Lines(file)) {
      return switch (format) {
        case CSV -> new RowReader(file, options, format).read(new CsvRecords(file, lines));
        case TSV -> new RowReader(file, options, format).read(new TsvRecords(lines));
        case JSONL -> new JsonlReader(file, options).read(lines);
        case SQUAD -> new SquadReader(file, options).read(lines);
        case CONLL -> new ConllReader(file, options).read(lines);
        case TEXT -> text(file, columns, lines);
      };
    } catch (InputException e) {
      // Complaints about columns alone do not know their file.
      throw e.getMessage().contains(file.toString())
          ? e
          : new InputException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * The whole file is one text, as Transformers' {@code run_clm.py} has it: what makes sense in a
   * file of prose, verse or code is the order of its lines. Line ends become LF.
   */
  private static Dataset text(Path file, Columns columns, Utf8Lines lines) {
    Check.input(
        columns.absent(List.of()).isEmpty(),
        "%s is one running text and has no columns; leave %s out",
        file,
        Term.COLUMNS);
    StringBuilder text = new StringBuilder();
    for (String line = lines.next(); line != null; line = lines.next()) {
      text.append(Utf8Lines.chomp(line)).append(lines.endsInBreak() ? "\n" : "");
    }
    Check.input(lines.number() > 0, "%s is empty", file);
    String whole = text.toString();
    Example only = new Example(1, whole, null, null, null, null, Map.of("text", whole));
    FileReading reading =
        new FileReading("one running text", Map.of(), null, wordsAdvice(whole), List.of());
    return new Dataset(file, List.of(only), reading);
  }

  /** What to do where the text turns out to be a word and its tag on each line. */
  private static String wordsAdvice(String text) {
    List<Integer> widths =
        text.lines()
            .filter(line -> !line.isBlank())
            .map(line -> line.strip().split("\\s+").length)
            .distinct()
            .limit(2)
            .toList();
    int width = widths.size() == 1 ? widths.get(0) : 0;
    return width < 2
        ? ""
        : "Each line has "
            + width
            + " columns: if these are words and their tags, give "
            + Term.COLUMNS.of(ConllReader.columns(width));
  }

  /** Tabs part fields; quotes are text. */
  private record TsvRecords(Utf8Lines lines) implements RowReader.Records {
    @Override
    public List<String> next() {
      String line = lines.next();
      return line == null ? null : Arrays.asList(Utf8Lines.chomp(line).split("\t", -1));
    }

    @Override
    public int row() {
      return lines.number();
    }
  }
}
