package dev.attune.track;

import dev.attune.core.TerminalText;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Curves drawn with characters. */
public final class TextPlot {
  /** Marks of curves, in their order; a later curve covers an earlier one. */
  private static final String MARKS = "•o+x*#";

  private static final String PLAIN_MARKS = ".o+x*#";

  private TextPlot() {}

  /**
   * Draws curves over the same axes, each column the mean of what falls into it.
   *
   * @param title above them
   * @param columns characters of a line, at least 30
   * @param rows lines of the field
   */
  public static List<String> draw(String title, List<Curve> curves, int columns, int rows) {
    return draw(title, curves, columns, rows, Charset.defaultCharset());
  }

  static List<String> draw(
      String title, List<Curve> curves, int columns, int rows, Charset charset) {
    boolean isPlain = !charset.newEncoder().canEncode(MARKS);
    double lowest = Double.POSITIVE_INFINITY;
    double highest = Double.NEGATIVE_INFINITY;
    long first = Long.MAX_VALUE;
    long last = Long.MIN_VALUE;
    for (Curve curve : curves) {
      for (Point point : curve.points()) {
        if (Double.isFinite(point.value())) {
          lowest = Math.min(lowest, point.value());
          highest = Math.max(highest, point.value());
          first = Math.min(first, point.x());
          last = Math.max(last, point.x());
        }
      }
    }
    List<String> lines = new ArrayList<>();
    lines.add(TerminalText.left(title, columns).stripTrailing());
    if (first > last) {
      lines.add("  (no values)");
      return lines;
    }
    String top = Numbers.text(highest, 4);
    String bottom = Numbers.text(lowest, 4);
    int margin = Math.max(top.length(), bottom.length());
    int width = Math.max(10, columns - margin - 2);
    char[][] field = new char[rows][width];
    for (char[] row : field) {
      Arrays.fill(row, ' ');
    }
    for (int i = 0; i < curves.size(); i++) {
      char mark = (isPlain ? PLAIN_MARKS : MARKS).charAt(i % MARKS.length());
      fill(field, curves.get(i), mark, first, last, lowest, highest);
    }
    String bar = isPlain ? "|" : "┤";
    String side = isPlain ? "|" : "│";
    for (int row = 0; row < rows; row++) {
      String label = row == 0 ? top : row == rows - 1 ? bottom : "";
      lines.add(
          (TerminalText.right(label, margin)
                  + (label.isEmpty() ? side : bar)
                  + new String(field[row]))
              .stripTrailing());
    }
    lines.add(" ".repeat(margin) + (isPlain ? "+" + "-".repeat(width) : "└" + "─".repeat(width)));
    String from = Long.toString(first);
    String to = Long.toString(last);
    int gap = Math.max(1, width - from.length() - to.length());
    lines.add(" ".repeat(margin + 1) + from + " ".repeat(gap) + to);
    if (curves.size() > 1 || !curves.get(0).name().equals(title)) {
      for (int i = 0; i < curves.size(); i++) {
        String mark = (isPlain ? PLAIN_MARKS : MARKS).substring(i % 6, i % 6 + 1);
        lines.add(
            TerminalText.left("  " + mark + " " + curves.get(i).name(), columns).stripTrailing());
      }
    }
    return lines;
  }

  private static void fill(
      char[][] field,
      Curve curve,
      char mark,
      long first,
      long last,
      double lowest,
      double highest) {
    int width = field[0].length;
    double[] sums = new double[width];
    int[] counts = new int[width];
    for (Point point : curve.points()) {
      if (Double.isFinite(point.value())) {
        double share = last == first ? 0 : (double) (point.x() - first) / (last - first);
        int column = (int) Math.round(share * (width - 1));
        sums[column] += point.value();
        counts[column]++;
      }
    }
    for (int column = 0; column < width; column++) {
      if (counts[column] > 0) {
        double value = sums[column] / counts[column];
        double height = highest == lowest ? 0.5 : (value - lowest) / (highest - lowest);
        field[(int) Math.round((1 - height) * (field.length - 1))][column] = mark;
      }
    }
  }
}
