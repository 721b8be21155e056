package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Several sources as one, of which each row is drawn by chance: as {@code interleave_datasets} of
 * Hugging Face's datasets does it. The rows of a source keep their order. Which source is drawn is
 * a pure function of (seed, number of the row), so that the same sources give the same rows.
 *
 * @param probabilities of the sources, above 0, together 1
 * @param untilAll whether rows are drawn until every source was drawn to its end, those that end
 *     before beginning again; else until the first one was
 */
public record Interleaving(List<Double> probabilities, boolean untilAll) {
  private static final double ROUNDING = 1e-6;

  /** Rows are drawn so many times as often as there are any, at most: beyond, it is a mistake. */
  private static final int MOST_REPEATED = 1000;

  public Interleaving {
    probabilities = List.copyOf(probabilities);
  }

  /**
   * Whether probabilities are some.
   *
   * @return what is wrong with them; null: nothing
   */
  public static String problem(List<Double> probabilities) {
    double sum = probabilities.stream().mapToDouble(Double::doubleValue).sum();
    if (probabilities.stream().anyMatch(p -> !(p > 0))) {
      return "each must be above 0";
    }
    return Math.abs(sum - 1) < ROUNDING ? null : "together they must be 1, and are " + sum;
  }

  /**
   * Draws the rows.
   *
   * @param data of all sources, one after the other
   * @param files how many each source has
   */
  public Dataset of(Dataset data, int[] files, long seed) {
    Check.argument(files.length == probabilities.size(), "%d sources", files.length);
    if (data.reading().isRunning()) {
      throw new InputException(
          data.source() + ": running texts have no rows that could be interleaved");
    }
    int[] begins = new int[files.length + 1];
    int part = 0;
    for (int s = 0; s < files.length; s++) {
      int rows = 0;
      for (int end = part + files[s]; part < end; part++) {
        rows += data.parts().get(part).examples();
      }
      if (rows == 0) {
        throw new InputException(
            data.parts().get(part - 1).file() + " has no rows that could be interleaved");
      }
      begins[s + 1] = begins[s] + rows;
    }
    if (untilAll) {
      refuseEndless(begins);
    }
    int[] drawn = new int[files.length];
    int[] rows = rows(begins, seed, drawn);
    List<String> shares = new ArrayList<>();
    for (int s = 0; s < files.length; s++) {
      String all = Count.many(begins[s + 1] - begins[s], "row");
      shares.add(String.format(Locale.ROOT, "%,d of %s", drawn[s], all));
    }
    Dataset interleaved = data.chosen(rows);
    for (int s = 0; s < files.length; s++) {
      if (drawn[s] == 0) {
        interleaved =
            interleaved.with(
                Finding.ofFile(
                    Finding.Severity.WARNING,
                    "source_not_drawn",
                    "no row of source "
                        + (s + 1)
                        + " of "
                        + files.length
                        + " was drawn before another one ended: its share by "
                        + Term.INTERLEAVE_PROBS
                        + " is "
                        + probabilities.get(s)));
      }
    }
    return interleaved.with(
        Finding.ofFile(
            Finding.Severity.NOTE,
            "interleaved",
            "rows are drawn from "
                + files.length
                + " sources until "
                + (untilAll ? "each was" : "the first one was")
                + " drawn to its end: "
                + String.join(", ", shares)
                + " (seed "
                + seed
                + ")"));
  }

  /** What is expected to be drawn until the slowest source ends. */
  private void refuseEndless(int[] begins) {
    int slowest = 0;
    double expected = 0;
    for (int s = 0; s < probabilities.size(); s++) {
      double ofSource = (begins[s + 1] - begins[s]) / probabilities.get(s);
      if (ofSource > expected) {
        expected = ofSource;
        slowest = s;
      }
    }
    int rows = begins[begins.length - 1];
    double most = Math.min(Integer.MAX_VALUE, (double) MOST_REPEATED * rows);
    Check.input(
        expected <= most,
        "%s gives source %d, which has %s, a share of %s: about %.3g rows would be drawn until it"
            + " ends, and at most %.0f are (%d times the rows there are); give it a larger share,"
            + " or stop at the first source that ends",
        Term.INTERLEAVE_PROBS,
        slowest + 1,
        Count.many(begins[slowest + 1] - begins[slowest], "row"),
        probabilities.get(slowest),
        expected,
        most,
        MOST_REPEATED);
  }

  private int[] rows(int[] begins, long seed, int[] drawn) {
    double[] upTo = probabilities.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.parallelPrefix(upTo, Double::sum);
    int sources = upTo.length;
    int[] next = Arrays.copyOf(begins, sources);
    boolean[] ended = new boolean[sources];
    int left = untilAll ? sources : 1; // that must end
    IntStream.Builder rows = IntStream.builder();
    long stream = RandomStream.INTERLEAVING.of(0);
    for (long row = 0; left > 0; row++) {
      double u = (Philox.bits64(seed, stream, row) >>> 11) * 0x1.0p-53 * upTo[sources - 1];
      int s = 0;
      while (s < sources - 1 && u >= upTo[s]) {
        s++;
      }
      Check.input(row < Integer.MAX_VALUE, "more than %d rows would be drawn", Integer.MAX_VALUE);
      rows.add(next[s]++);
      drawn[s]++;
      if (next[s] == begins[s + 1]) {
        next[s] = begins[s];
        left -= ended[s] ? 0 : 1;
        ended[s] = true;
      }
    }
    return rows.build().toArray();
  }
}
