package dev.attune.metrics;

import dev.attune.core.Count;
import dev.attune.core.TerminalText;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntToLongFunction;

/** The table of scores by class that accumulators print. */
final class ClassTable {
  private static final int MAX_NAME = 40;
  private static final int MIN_NAME = 5;
  private static final int MAX_COLUMN = 12;

  /** Narrower columns could not tell two names apart. */
  private static final int MIN_COLUMN = 6;

  private static final int LEAST_COLUMNS = 40;
  private static final int WIDE = 60;
  private static final int PAIRS_SHOWN = 20;

  private ClassTable() {}

  /**
   * Precision, recall, F1 and support, a line for each class.
   *
   * @param columns characters of a line
   */
  static String render(
      List<String> names, IntFunction<double[]> scores, IntToLongFunction support, int columns) {
    boolean isWide = columns >= WIDE;
    int cell = isWide ? 9 : 6;
    int room = Math.max(columns, LEAST_COLUMNS) - 4 * (cell + 1);
    int width = nameWidth(names, room);
    String header = "%s %_s %_s %_s %_s%n".replace("_", "" + cell);
    String line =
        ("%s" + (isWide ? " %_.4f %_.4f %_.4f %_d%n" : " %_.3f %_.3f %_.3f %_d%n"))
            .replace("_", "" + cell);
    String title = TerminalText.left("class", width);
    StringBuilder out = new StringBuilder();
    out.append(
        isWide
            ? String.format(header, title, "precision", "recall", "f1", "support")
            : String.format(header, title, "prec.", "recall", "f1", "rows"));
    for (int k = 0; k < names.size(); k++) {
      String shown = TerminalText.left(names.get(k), width);
      double[] row = scores.apply(k);
      out.append(
          String.format(Locale.ROOT, line, shown, row[0], row[1], row[2], support.applyAsLong(k)));
    }
    return out.toString();
  }

  private static int nameWidth(List<String> names, int room) {
    int longest =
        names.stream().map(TerminalText::visible).mapToInt(TerminalText::width).max().orElse(0);
    return Math.max(MIN_NAME, Math.min(Math.min(MAX_NAME, room), longest));
  }

  /**
   * A confusion matrix: a row for each label, a column for each prediction; where that is wider
   * than a line, the pairs that were confused most often.
   *
   * @param counts by label, then prediction (K, K)
   * @param columns characters of a line
   */
  static String confusion(List<String> names, long[][] counts, int columns) {
    int line = Math.max(columns, LEAST_COLUMNS);
    int width = nameWidth(names, line / 3);
    int cell = Math.min(MAX_COLUMN, (line - width) / names.size() - 1);
    if (cell < MIN_COLUMN) {
      return pairs(names, counts, line);
    }
    StringBuilder out = new StringBuilder("label \\ predicted\n");
    out.append(" ".repeat(width));
    names.forEach(name -> out.append(' ').append(TerminalText.right(name, cell)));
    out.append('\n');
    for (int k = 0; k < counts.length; k++) {
      out.append(TerminalText.left(names.get(k), width));
      for (long count : counts[k]) {
        out.append(String.format(Locale.ROOT, " %" + cell + "d", count));
      }
      out.append('\n');
    }
    return out.toString();
  }

  private record Pair(int label, int prediction, long count) {}

  private static String pairs(List<String> names, long[][] counts, int line) {
    List<Pair> pairs = new ArrayList<>();
    for (int label = 0; label < counts.length; label++) {
      for (int prediction = 0; prediction < counts.length; prediction++) {
        if (label != prediction && counts[label][prediction] > 0) {
          pairs.add(new Pair(label, prediction, counts[label][prediction]));
        }
      }
    }
    pairs.sort((a, b) -> Long.compare(b.count, a.count));
    int width = nameWidth(names, (line - 14) / 2);
    StringBuilder out = new StringBuilder();
    String form = "%6d  %s as %s%n";
    out.append(pairs.isEmpty() ? "" : "confused most often:\n");
    for (Pair pair : pairs.subList(0, Math.min(PAIRS_SHOWN, pairs.size()))) {
      String label = TerminalText.left(names.get(pair.label), width);
      String given = TerminalText.left(names.get(pair.prediction), width).stripTrailing();
      out.append(String.format(Locale.ROOT, form, pair.count, label, given));
    }
    if (pairs.size() > PAIRS_SHOWN) {
      out.append("and ").append(Count.many(pairs.size() - PAIRS_SHOWN, "other pair")).append('\n');
    }
    return out.toString();
  }
}
