package dev.attune.track;

import java.util.ArrayList;
import java.util.List;

/**
 * A curve to be drawn.
 *
 * @param name for the legend
 * @param points by step; values that are no numbers are left out
 */
public record Curve(String name, List<Point> points) {
  /**
   * What is drawn in so many columns: the mean of what falls into each; columns without values are
   * left out.
   */
  List<Point> thinned(int columns) {
    List<Point> finite = points.stream().filter(p -> Double.isFinite(p.value())).toList();
    if (finite.size() <= columns) {
      return finite;
    }
    long first = finite.get(0).x();
    long span = Math.max(1, finite.get(finite.size() - 1).x() - first);
    double[] values = new double[columns];
    double[] places = new double[columns];
    int[] counts = new int[columns];
    for (Point point : finite) {
      int column = (int) Math.min(columns - 1, (point.x() - first) * columns / span);
      values[column] += point.value();
      places[column] += point.x();
      counts[column]++;
    }
    List<Point> out = new ArrayList<>();
    for (int i = 0; i < columns; i++) {
      if (counts[i] > 0) {
        long x = Math.round(places[i] / counts[i]);
        out.add(new Point(name, x, 0, values[i] / counts[i]));
      }
    }
    return out;
  }
}
