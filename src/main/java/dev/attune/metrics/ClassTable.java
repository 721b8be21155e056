package dev.attune.metrics;

import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntToLongFunction;

/** The table of scores by class that accumulators print. */
final class ClassTable {
  private static final int MAX_NAME = 40;
  private static final int MAX_COLUMN = 12;

  private ClassTable() {}

  static String render(
      List<String> names, IntFunction<double[]> scores, IntToLongFunction support) {
    int width = Math.min(MAX_NAME, names.stream().mapToInt(String::length).max().orElse(0));
    String header = "%-" + Math.max(width, 5) + "s %9s %9s %9s %9s%n";
    String line = "%-" + Math.max(width, 5) + "s %9.4f %9.4f %9.4f %9d%n";
    StringBuilder out =
        new StringBuilder(String.format(header, "class", "precision", "recall", "f1", "support"));
    for (int k = 0; k < names.size(); k++) {
      String shown = cut(names.get(k), width);
      double[] row = scores.apply(k);
      out.append(
          String.format(Locale.ROOT, line, shown, row[0], row[1], row[2], support.applyAsLong(k)));
    }
    return out.toString();
  }

  /**
   * A confusion matrix: a row for each label, a column for each prediction.
   *
   * @param counts by label, then prediction (K, K)
   */
  static String confusion(List<String> names, long[][] counts) {
    int width = Math.min(MAX_NAME, names.stream().mapToInt(String::length).max().orElse(0));
    StringBuilder out = new StringBuilder("label \\ predicted\n");
    String blank = "%-" + Math.max(width, 5) + "s";
    out.append(String.format(blank, ""));
    names.forEach(
        name -> out.append(String.format(" %" + MAX_COLUMN + "s", cut(name, MAX_COLUMN))));
    out.append('\n');
    for (int k = 0; k < counts.length; k++) {
      out.append(String.format(blank, cut(names.get(k), width)));
      for (long count : counts[k]) {
        out.append(String.format(Locale.ROOT, " %" + MAX_COLUMN + "d", count));
      }
      out.append('\n');
    }
    return out.toString();
  }

  private static String cut(String name, int width) {
    return name.length() > width ? name.substring(0, width - 1) + "…" : name;
  }
}
