package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

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

  /** Reads what a path stands for: a file, a folder or a pattern of files, or standard input. */
  public static Dataset read(Path path, ReadOptions options) {
    return read(List.of(path.toString()), options);
  }

  /** Reads what paths stand for, in their order, as one. */
  public static Dataset read(List<String> paths, ReadOptions options) {
    return all(DataFiles.of(paths, options.written()), options);
  }

  /** Reads files, in their order, as one. */
  static Dataset all(List<Path> files, ReadOptions options) {
    List<Dataset> read =
        files.stream().map(file -> one(file, options.forSome(List.of(file), files))).toList();
    return Dataset.joined(read, options.space());
  }

  /** Whether a file is plain text by its name, compressed or not. */
  public static boolean isText(Path file) {
    return Format.ofExtension(DataFile.uncompressed(file)) == Format.TXT;
  }

  /** The lines of a text file, without their ends, in the encoding that the options say. */
  public static List<String> lines(Path path, FileOptions options) {
    List<String> out = new ArrayList<>();
    try (DataFile file = DataFile.of(path);
        TextLines lines = new TextLines(path, new DecodedText(file, options.encoding()))) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        out.add(TextLines.chomp(line));
      }
    }
    return out;
  }

  /** The files that paths stand for: those of folders and patterns too. */
  public static List<Path> files(List<String> paths, FileOptions options) {
    return DataFiles.of(paths, options);
  }

  private static Dataset one(Path path, ReadOptions options) {
    try (DataFile file = DataFile.of(path)) {
      return one(file, options);
    } catch (InputException e) {
      // Complaints about columns alone do not know their file.
      String name = path.equals(DataFile.STANDARD_INPUT) ? "standard input" : path.toString();
      throw e.getMessage().contains(name) ? e : new InputException(name + ": " + e.getMessage(), e);
    }
  }

  private static Dataset one(DataFile file, ReadOptions read) {
    Columns columns = read.columns();
    FileOptions options = read.written();
    Format format = format(file, columns, options);
    boolean table = Format.isTable(format);
    boolean isText = Format.mayBeText(format);
    Check.input(
        isText || options.encoding() == null,
        "%s is of the format %s, which is no text and has no %s; leave it out",
        file.shown(),
        format,
        Term.ENCODING);
    Check.input(
        table || options.delimiter() == null && options.quoting() == null,
        "%s is of the format %s, whose rows have no %s and no %s; leave them out",
        file.shown(),
        format,
        Term.DELIMITER,
        Term.QUOTING);
    if (!isText) {
      return format == Format.PARQUET ? ParquetRows.read(file, read) : ArrowRows.read(file, read);
    }
    Format binary = ForeignContent.binary(file.head());
    if (binary != null) {
      throw new InputException(
          file.shown()
              + (binary == Format.PARQUET ? " is a Parquet" : " is an Arrow")
              + " file under another name; say so: "
              + Term.FORMAT.of(binary));
    }
    Dialect dialect = table ? Dialect.of(file, format, columns, options) : null;
    try (DecodedText text = new DecodedText(file, options.encoding());
        TextLines lines = new TextLines(file.shown(), text, table)) {
      Check.input(file.head().length > 0, "%s is empty", file.shown());
      Dataset data =
          switch (format) {
            case CSV, TSV ->
                new RowReader(file.shown(), read, dialect)
                    .read(dialect.records(file.shown(), lines));
            case JSONL -> jsonLines(file, read, lines);
            case JSON -> new JsonReader(file, read).read();
            case CONLL -> new ConllReader(file, read).read(lines);
            case TXT -> text(file.shown(), read, lines);
            case LINES -> texts(file.shown(), read, lines);
            case FASTTEXT -> new FastTextReader(file.shown(), read).read(lines);
            case PARQUET, ARROW -> throw new IllegalStateException("read above");
          };
      String own = data.parts().get(0).form();
      String form =
          Stream.of(file.compression(), text.note(), dialect == null ? "" : dialect.note(), own)
              .filter(note -> !note.isEmpty())
              .collect(Collectors.joining(", "));
      return data.written(form);
    }
  }

  /**
   * What the user says, or the name, or of text files the rows where words with tags are wanted.
   */
  private static Format format(DataFile file, Columns columns, FileOptions options) {
    if (options.format() != null) {
      return options.format();
    }
    Format named = Format.ofExtension(file.named());
    boolean mayBeWords = named == null || named == Format.TXT || named == Format.TSV;
    if (options.tagged() && mayBeWords && !columns.isPositional()) {
      if (TaggedLines.areIn(file, options)) {
        return Format.CONLL;
      }
    }
    if (named == null && !columns.isPositional() && FastTextReader.isIn(file.head())) {
      return Format.FASTTEXT;
    }
    return Format.of(file.named(), columns);
  }

  /** A list under the name of lines is read as the list that it is. */
  private static Dataset jsonLines(DataFile file, ReadOptions read, TextLines lines) {
    boolean arePairs = read.columns().arePairs();
    if (JsonReader.isList(file, read.written(), arePairs)) {
      return new JsonReader(file, read).read();
    }
    return new JsonlReader(file.shown(), read).read(new JsonLines(file.shown(), lines, arePairs));
  }

  /**
   * The whole file is one text, as Transformers' {@code run_clm.py} has it: what makes sense in a
   * file of prose, verse or code is the order of its lines. Line ends become LF.
   */
  private static Dataset text(Path file, ReadOptions read, TextLines lines) {
    read.columns().checkNone(file, "is one running text and has no columns");
    if (!read.space().isMemory()) {
      return FastTextReader.advised(new RunningText(file, lines, read.space()).read());
    }
    StringBuilder text = new StringBuilder();
    for (String line = lines.next(); line != null; line = lines.next()) {
      text.append(TextLines.chomp(line)).append(lines.endsInBreak() ? "\n" : "");
    }
    String whole = text.toString();
    Example only = new Example(1, whole, null, null, null, null, Map.of("text", whole));
    return FastTextReader.advised(
        new Dataset(file, List.of(only), FileReading.of("one running text").running()));
  }

  /** Every line is a text; blank ones are none. */
  private static Dataset texts(Path file, ReadOptions read, TextLines lines) {
    read.columns().checkNone(file, "has a text a line and no columns");
    RowSpace.Rows<Example> examples = read.space().examples();
    for (String line = lines.next(); line != null; line = lines.next()) {
      String text = TextLines.chomp(line);
      if (!text.isBlank()) {
        examples.add(
            new Example(lines.number(), text, null, null, null, null, Map.of("text", text)));
      }
    }
    return new Dataset(file, examples.list(), "a text a line");
  }
}
