package dev.attune.data;

import static dev.attune.core.Count.many;

import dev.attune.core.Term;
import dev.attune.data.Finding.Severity;
import java.util.Locale;

/** The rules of the data report on what truncation takes. */
public final class LengthFindings {
  /** A share of rows from which truncation is a warning rather than a note. */
  private static final double WARNING_SHARE = 0.01;

  private LengthFindings() {}

  /** Rows whose targets truncation took. */
  public static void targetsLeft(Findings found, TokenLengths tokens) {
    if (tokens.supervised().stream().allMatch(n -> n == 0)) {
      found.add(
          Severity.FATAL,
          "nothing_supervised",
          "truncation at max length "
              + found.maxLength()
              + " leaves no target to train on; give a larger "
              + Term.MAX_LENGTH);
      return;
    }
    if (tokens.supervised().stream().allMatch(n -> n > 0)) {
      return;
    }
    found.rows(
        Severity.WARNING,
        "unsupervised_rows",
        i -> tokens.supervised().get(i) == 0,
        n -> many(n, "row has", "rows have") + " no target left and cannot teach anything");
  }

  /** Parts of a text that have other tokens than the text as one. */
  public static void partBorders(Findings found, TokenLengths.Texts texts) {
    found.rows(
        Severity.NOTE,
        "part_borders",
        i -> texts.has(i, TokenLengths.Texts.PART_BORDER),
        n ->
            "the text is tokenised in parts, and at "
                + many(n, "border", "borders")
                + " of them a token may be another one than in the text as one");
  }

  /** Rows that were cut. */
  static void truncation(Findings found, TokenLengths tokens) {
    long lost = tokens.dropped().sum();
    long cut = tokens.dropped().stream().filter(dropped -> dropped > 0).count();
    if (cut == 0) {
      return;
    }
    long all = lost + tokens.lengths().sum();
    double lostShare = (double) lost / Math.max(1, all);
    found.rows(
        cut >= WARNING_SHARE * found.data().size() ? Severity.WARNING : Severity.NOTE,
        "truncated",
        i -> tokens.dropped().get(i) > 0,
        n ->
            String.format(
                Locale.ROOT,
                "%s cut at max length %d: %s lost (%.1f %%)",
                many(n, "row is", "rows are"),
                found.maxLength(),
                many(lost, "token"),
                100 * lostShare));
  }
}
