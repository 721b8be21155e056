package dev.attune.data;

import static dev.attune.core.Count.many;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Rows that cannot be read: the first stops the run, or all are left out and counted. */
final class BadRows {
  private final boolean skips;
  private final String unit;
  private final List<Integer> rows = new ArrayList<>();
  private final List<String> reasons = new ArrayList<>(); // of each of them
  private InputException first;
  private int count;

  /**
   * @param skips whether they are left out
   * @param unit what is left out with one: "row", or the sentence that it is of
   */
  BadRows(boolean skips, String unit) {
    this.skips = skips;
    this.unit = unit;
  }

  /**
   * What is read next, such as a record of a table. Where that fails there is no row to leave out:
   * a quote that is never closed takes all that follows with it.
   */
  <T> T read(Supplier<T> next) {
    try {
      return next.get();
    } catch (InputException e) {
      throw noWayOn(e);
    }
  }

  /** What stops a run whatever is left out. */
  InputException noWayOn(InputException reason) {
    return skips
        ? new InputException(
            reason.getMessage()
                + (reason.getMessage().endsWith(".") ? " " : ". ")
                + Term.SKIP_BAD_ROWS
                + " leaves out single rows only; from here on the file cannot be read at all",
            reason)
        : reason;
  }

  /**
   * A row that cannot be read.
   *
   * @throws InputException the same, where rows are not to be left out
   */
  void add(int row, InputException reason) {
    if (!skips) {
      throw reason;
    }
    if (count++ == 0) {
      first = reason;
    }
    if (rows.size() < Finding.ROWS_SHOWN) {
      rows.add(row);
      reasons.add(reason.getMessage());
    }
  }

  /** How many were left out so far. */
  int count() {
    return count;
  }

  /**
   * A dataset with what was left out of it.
   *
   * @throws InputException the first, where no row could be read
   */
  Dataset noted(Dataset dataset) {
    if (count > 0 && dataset.size() == 0) {
      throw first;
    }
    return count == 0 ? dataset : dataset.with(finding(unit, count, rows, reasons));
  }

  /**
   * The finding on rows that were left out.
   *
   * @param reasons why each of {@code rows} was
   */
  static Finding finding(String unit, int count, List<Integer> rows, List<String> reasons) {
    return new Finding(
        Severity.WARNING,
        "skipped_rows",
        "",
        many(count, unit + " was", unit + "s were")
            + " left out, as "
            + Term.SKIP_BAD_ROWS
            + " asks. The first: "
            + reasons.get(0),
        List.copyOf(rows),
        count,
        List.copyOf(reasons));
  }
}
