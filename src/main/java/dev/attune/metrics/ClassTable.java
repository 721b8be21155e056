package dev.attune.metrics;

import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntToLongFunction;

/** The table of scores by class that accumulators print. */
final class ClassTable {
  private static final int MAX_NAME = 40;

  private ClassTable() {}

  static String render(
      List<String> names, IntFunction<double[]> scores, IntToLongFunction support) {
    int width = Math.min(MAX_NAME, names.stream().mapToInt(String::length).max().orElse(0));
    String header = "%-" + Math.max(width, 5) + "s %9s %9s %9s %9s%n";
    String line = "%-" + Math.max(width, 5) + "s %9.4f %9.4f %9.4f %9d%n";
    StringBuilder out =
        new StringBuilder(String.format(header, "class", "precision", "recall", "f1", "support"));
    for (int k = 0; k < names.size(); k++) {
      String name = names.get(k);
      String shown = name.length() > width ? name.substring(0, width - 1) + "…" : name;
      double[] row = scores.apply(k);
      out.append(
          String.format(Locale.ROOT, line, shown, row[0], row[1], row[2], support.applyAsLong(k)));
    }
    return out.toString();
  }
}
