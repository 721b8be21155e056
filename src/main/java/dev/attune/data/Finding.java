package dev.attune.data;

import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;

/**
 * One thing found.
 *
 * @param code stable name for programs
 * @param split train, validation or test; empty where it is not known yet
 * @param message one sentence for people
 * @param rows the first rows concerned, lines of the file
 * @param count all rows concerned
 * @param reasons what is wrong with each of {@code rows}, where that differs; else empty
 */
public record Finding(
    Severity severity,
    String code,
    String split,
    String message,
    List<Integer> rows,
    int count,
    List<String> reasons) {
  /** Rows that are named at most. */
  static final int ROWS_SHOWN = 10;

  /** How bad a finding is. */
  public enum Severity {
    /** Training would fail or mean nothing. */
    FATAL,
    /** Results will probably be worse or look better than they are. */
    WARNING,
    /** Worth knowing. */
    NOTE
  }

  /** A finding that says the same of all rows. */
  public Finding(
      Severity severity, String code, String split, String message, List<Integer> rows, int count) {
    this(severity, code, split, message, rows, count, List.of());
  }

  /** A finding on a file whose split is not known yet. */
  public static Finding ofFile(Severity severity, String code, String message) {
    return new Finding(severity, code, "", message, List.of(), 0);
  }

  /** The same of a file in a split: what is wrong to learn may be measured. */
  Finding in(String name) {
    Severity here =
        severity == Severity.FATAL && !name.equals("train") ? Severity.WARNING : severity;
    return new Finding(here, code, name, message, rows, count, reasons);
  }

  /** The same of rows that are numbered on from so many before. */
  Finding after(int rowsBefore) {
    return new Finding(
        severity,
        code,
        split,
        message,
        rows.stream().map(r -> r + rowsBefore).toList(),
        count,
        reasons);
  }

  /**
   * The message with the rows concerned: "2 texts are empty (rows 3, 7)".
   *
   * @param place of a row, as a list of rows names it: {@link Dataset#place}
   */
  public String sentence(IntFunction<String> place) {
    if (rows.isEmpty()) {
      return message;
    }
    String list = rows.stream().map(place::apply).collect(Collectors.joining(", "));
    return message
        + (count == 1 ? " (row " : " (rows ")
        + list
        + (count > rows.size() ? " and " + (count - rows.size()) + " more)" : ")");
  }
}
