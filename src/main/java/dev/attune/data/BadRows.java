package dev.attune.data;

import static dev.attune.data.Findings.many;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Finding.Severity;
import java.util.ArrayList;
import java.util.List;

/** Rows that cannot be read: the first stops the run, or all are left out and counted. */
final class BadRows {
  private final boolean skips;
  private final List<Integer> rows = new ArrayList<>();
  private InputException first;
  private int count;
  private int last; // row

  BadRows(boolean skips) {
    this.skips = skips;
  }

  /**
   * A row that cannot be read.
   *
   * @throws InputException the same, where rows are not to be left out, or where this is the row
   *     that could not be read before: then there is no way on in the file
   */
  void add(int row, InputException reason) {
    if (!skips || row == last) {
      throw reason;
    }
    last = row;
    if (count++ == 0) {
      first = reason;
    }
    if (rows.size() < Finding.ROWS_SHOWN) {
      rows.add(row);
    }
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
    return count == 0 ? dataset : dataset.with(finding(count, rows, first.getMessage()));
  }

  /**
   * The finding on rows that were left out.
   *
   * @param first why the first of them was
   */
  static Finding finding(int count, List<Integer> rows, String first) {
    return new Finding(
        Severity.WARNING,
        "skipped_rows",
        "",
        many(count, "row was", "rows were")
            + " left out, as "
            + Term.SKIP_BAD_ROWS
            + " asks. The first: "
            + first,
        List.copyOf(rows),
        count);
  }
}
