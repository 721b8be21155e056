package dev.attune.data;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.Locale;

/** How a data file is written. */
enum Format {
  /** RFC 4180: commas, fields in quotes where needed. */
  CSV,
  /** Tabs; quotes are text, there is no escape. */
  TSV,
  /** One JSON object a line. */
  JSONL,
  /** A word and its tag a line, a blank line between sentences. */
  CONLL,
  /** One JSON object with articles, paragraphs and questions. */
  SQUAD,
  /** One running text, line breaks and all. */
  TEXT;

  /**
   * The format of a file by its extension. A .tsv or .txt file whose columns are given as {@code
   * --columns tokens,tags} is CONLL: a tab-separated file of words. Any other .txt file is one
   * running text.
   */
  static Format of(Path file, Columns columns) {
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    String extension = name.substring(name.lastIndexOf('.') + 1);
    return switch (extension) {
      case "csv" -> CSV;
      case "tsv" -> columns.isWordAndTag() ? CONLL : TSV;
      case "txt" -> {
        if (columns.isWordAndTag()) {
          yield CONLL;
        }
        if (columns.isPositional()) {
          throw unknown(file);
        }
        yield TEXT;
      }
      case "jsonl", "ndjson" -> JSONL;
      case "json" -> SQUAD;
      case "conll", "bio", "iob", "iob2" -> CONLL;
      default -> throw unknown(file);
    };
  }

  private static InputException unknown(Path file) {
    return new InputException(
        file
            + ": the extension does not say how the file is written. Data files end in .csv, .tsv,"
            + " .jsonl, .conll (word and tag a line; also .bio, .iob) or, without columns, .txt (one"
            + " running text); SQuAD's own files in .json.");
  }
}
