package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.charset.Charset;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.UnsupportedCharsetException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/**
 * How data files are written, where the user says so. What is null is told from their names and
 * their content, and stated in the data report.
 *
 * @param format of every file, whatever its name
 * @param encoding of text; null: UTF-8, or what a byte order mark says
 * @param delimiter between the fields of a table
 * @param quoting of the fields of a table
 * @param tagged whether words with tags are wanted: a .txt or .tsv file of such is then CoNLL
 */
public record FileOptions(
    Format format, Charset encoding, Character delimiter, Quoting quoting, boolean tagged) {
  /** Whether a field may stand in quotes. */
  public enum Quoting {
    /** As RFC 4180 has it: in quotes a field may hold delimiters, line breaks, doubled quotes. */
    CSV,
    /** A quote is text. */
    NONE
  }

  /** All is told from the files. */
  public static final FileOptions AUTOMATIC = new FileOptions(null, null, null, null, false);

  /** Reads what was given; null is what was not. */
  public static FileOptions parse(
      String format, String encoding, String delimiter, String quoting, boolean tagged) {
    return new FileOptions(
        format == null ? null : Format.named(format),
        encoding == null ? null : encoding(encoding),
        delimiter == null ? null : Delimiters.named(delimiter),
        quoting == null ? null : quoting(quoting),
        tagged);
  }

  /** As {@link ReadOptions#forSome}. */
  FileOptions forSome(List<Path> some, List<Path> run) {
    if (encoding == null && delimiter == null && quoting == null) {
      return this;
    }
    boolean noText = !anyIs(Format::mayBeText, some) && anyIs(Format::mayBeText, run);
    boolean noTable = !anyIs(Format::isTable, some) && anyIs(Format::isTable, run);
    return new FileOptions(
        format,
        noText ? null : encoding,
        noTable ? null : delimiter,
        noTable ? null : quoting,
        tagged);
  }

  private boolean anyIs(Predicate<Format> kind, List<Path> files) {
    return files.stream()
        .map(file -> format == null ? Format.ofExtension(DataFile.uncompressed(file)) : format)
        .anyMatch(kind);
  }

  private static Charset encoding(String name) {
    try {
      return Charset.forName(name);
    } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
      throw new InputException(
          Term.ENCODING
              + " is '"
              + name
              + "', which is no encoding that Java knows; use such as UTF-8, windows-1252,"
              + " ISO-8859-1, UTF-16LE, windows-1251, Shift_JIS, GB18030",
          e);
    }
  }

  private static Quoting quoting(String name) {
    return switch (name) {
      case "csv" -> Quoting.CSV;
      case "none" -> Quoting.NONE;
      default ->
          throw new InputException(
              Term.QUOTING
                  + " is '"
                  + name
                  + "'; allowed are csv (a field in quotes may hold anything) and none (a quote is"
                  + " text)");
    };
  }
}
