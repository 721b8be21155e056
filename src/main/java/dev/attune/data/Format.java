package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** How a data file is written. */
public enum Format {
  /** Fields parted by commas, as RFC 4180 has them, or by what the file shows or the user says. */
  CSV,
  /** Fields parted by tabs. */
  TSV,
  /** One JSON object a line. */
  JSONL,
  /**
   * One JSON value: a list of objects, an object that holds one, or SQuAD's; or JSONL after all.
   */
  JSON,
  /** A word and its tag a line, a blank line between sentences. */
  CONLL,
  /** One running text, line breaks and all. */
  TXT,
  /** A text a line. */
  LINES,
  /** A text a line with its labels in front, as fastText has them: {@code __label__good A text}. */
  FASTTEXT,
  /** Apache Parquet. */
  PARQUET,
  /** Apache Arrow's file or stream, as Hugging Face's datasets saves data sets. */
  ARROW;

  /** The format that the user names. */
  static Format named(String name) {
    for (Format format : values()) {
      if (format.toString().equals(name)) {
        return format;
      }
    }
    throw new InputException(Term.FORMAT + " is '" + name + "'; allowed are " + names());
  }

  private static String names() {
    return Arrays.stream(values()).map(Format::toString).collect(Collectors.joining(", "));
  }

  /**
   * The format of a file by its extension. A .tsv or .txt file whose columns are given as {@code
   * --columns tokens,tags} is CONLL: a tab-separated file of words. Any other .txt file is one
   * running text.
   *
   * @param file named without the ending of a compression
   */
  static Format of(Path file, Columns columns) {
    Format format = ofExtension(file);
    if (format == null) {
      throw unknown(file);
    }
    boolean words = columns.isWordAndTag() && (format == TSV || format == TXT);
    if (format == TXT && columns.isPositional() && !words) {
      throw unknown(file);
    }
    return words ? CONLL : format;
  }

  /** What the extension alone says, or null. */
  static Format ofExtension(Path file) {
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    return switch (name.substring(name.lastIndexOf('.') + 1)) {
      case "csv" -> CSV;
      case "tsv", "tab" -> TSV;
      case "txt" -> TXT;
      case "jsonl", "ndjson" -> JSONL;
      case "json" -> JSON;
      case "conll", "conllu", "bio", "iob", "iob2" -> CONLL;
      case "parquet" -> PARQUET;
      case "arrow", "feather" -> ARROW;
      default -> null;
    };
  }

  /** Whether a file has fields that something parts; null is what its name does not say. */
  static boolean isTable(Format format) {
    return format == CSV || format == TSV;
  }

  /** Whether a file is, or may be, one of text; null is what its name does not say. */
  static boolean mayBeText(Format format) {
    return format != PARQUET && format != ARROW;
  }

  private static InputException unknown(Path file) {
    return new InputException(
        file
            + ": the extension does not say how the file is written. Data files end in .csv, .tsv,"
            + " .jsonl, .json, .parquet, .arrow, .conll (word and tag a line; also .conllu, .bio,"
            + " .iob) or, without columns, .txt (one running text), and in .gz or .zst behind that where they are"
            + " compressed. Else say it: "
            + Term.FORMAT
            + " with one of "
            + names());
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
