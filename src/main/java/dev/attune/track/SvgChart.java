package dev.attune.track;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Curves as scalable vector graphics. Colours and fonts are classes of {@code report.css}, so that
 * a page has one look, light or dark.
 */
final class SvgChart {
  static final int WIDTH = 520;
  static final int HEIGHT = 260;

  private static final int LEFT = 52;
  private static final int RIGHT = 12;
  private static final int TOP = 30;
  private static final int BOTTOM = 24;
  private static final int COLOURS = 6;
  private static final int DRAWN = 400; // points of a curve: more would lie on one another
  private static final int LEGEND = 16;
  private static final int MARKED = 40; // so few points are seen one by one

  private SvgChart() {}

  /**
   * A chart.
   *
   * @param title above it
   * @param axis what lies along the bottom: "step"
   * @param all curves; those without values are left out
   * @return the element; empty where there is nothing to draw
   */
  static String of(String title, String axis, List<Curve> all) {
    List<Curve> curves = new ArrayList<>();
    for (Curve curve : all) {
      Curve thinned = new Curve(curve.name(), curve.thinned(DRAWN));
      if (!thinned.points().isEmpty()) {
        curves.add(thinned);
      }
    }
    return curves.isEmpty() ? "" : drawn(title, axis, curves);
  }

  private static String drawn(String title, String axis, List<Curve> curves) {
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    long first = Long.MAX_VALUE;
    long last = Long.MIN_VALUE;
    for (Curve curve : curves) {
      for (Point point : curve.points()) {
        low = Math.min(low, point.value());
        high = Math.max(high, point.value());
        first = Math.min(first, point.x());
        last = Math.max(last, point.x());
      }
    }
    double step = tick(high - low == 0 ? Math.max(1e-9, Math.abs(high)) : high - low);
    double bottom = Math.floor(low / step) * step;
    double top = Math.max(bottom + step, Math.ceil(high / step) * step);
    int legend = curves.size() > 1 ? LEGEND * ((curves.size() + 2) / 3) : 0;
    int height = HEIGHT + legend;
    StringBuilder out = new StringBuilder();
    out.append(
        format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"100%%\" role=\"img\""
                + " aria-label=\"%s\">%n",
            WIDTH, height, Html.escaped(title)));
    out.append(format("<text class=\"title\" x=\"0\" y=\"14\">%s</text>%n", Html.escaped(title)));
    Field field = new Field(first, Math.max(first + 1, last), bottom, top, TOP + legend, height);
    legend(out, curves);
    for (double y = bottom; y <= top + step / 2; y += step) {
      out.append(
          format(
              "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                  + "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
              LEFT,
              WIDTH - RIGHT,
              field.y(y),
              field.y(y),
              LEFT - 6,
              field.y(y) + 4,
              label(y, step)));
    }
    int base = height - BOTTOM;
    out.append(
        format(
            "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>%n",
            LEFT, WIDTH - RIGHT, base, base));
    out.append(format("<text x=\"%d\" y=\"%d\">%s %d</text>%n", LEFT, base + 16, axis, first));
    out.append(
        format(
            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>%n",
            WIDTH - RIGHT, base + 16, last));
    for (int i = 0; i < curves.size(); i++) {
      curve(out, curves.get(i), i % COLOURS, field);
    }
    return out.append("</svg>\n").toString();
  }

  private static void legend(StringBuilder out, List<Curve> curves) {
    for (int i = 0; curves.size() > 1 && i < curves.size(); i++) {
      int x = (i % 3) * (WIDTH / 3);
      int y = TOP + LEGEND * (i / 3);
      out.append(
          format(
              "<circle class=\"s%d\" cx=\"%d\" cy=\"%d\" r=\"4\"/><text x=\"%d\" y=\"%d\">%s</text>%n",
              i % COLOURS, x + 5, y - 4, x + 14, y, Html.escaped(curves.get(i).name())));
    }
  }

  private static void curve(StringBuilder out, Curve curve, int colour, Field field) {
    StringBuilder path = new StringBuilder();
    for (Point point : curve.points()) {
      path.append(path.isEmpty() ? "M" : "L")
          .append(format("%.1f %.1f", field.x(point.x()), field.y(point.value())));
    }
    out.append(format("<path class=\"s%d\" d=\"%s\"/>%n", colour, path));
    if (curve.points().size() <= MARKED) {
      for (Point point : curve.points()) {
        out.append(
            format(
                "<circle class=\"s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s %d: %s</title></circle>%n",
                colour,
                field.x(point.x()),
                field.y(point.value()),
                Html.escaped(curve.name()),
                point.x(),
                Html.number(point.value())));
      }
    }
  }

  /** Where values lie. */
  private record Field(long first, long last, double bottom, double top, int above, int height) {
    double x(long step) {
      return LEFT + (double) (step - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    }

    double y(double value) {
      double share = (value - bottom) / (top - bottom);
      return height - BOTTOM - share * (height - BOTTOM - above);
    }
  }

  /** A step of 1, 2 or 5 times a power of ten, of which there are about four in a span. */
  private static double tick(double span) {
    double power = Math.pow(10, Math.floor(Math.log10(span / 4)));
    double share = span / 4 / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  }

  private static String label(double value, double step) {
    if (Math.abs(value) >= 1e5 || step < 1e-4) {
      return format("%.1e", Math.abs(value) < step / 2 ? 0.0 : value);
    }
    int decimals = (int) Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    return format("%." + decimals + "f", Math.abs(value) < step / 2 ? 0.0 : value);
  }

  private static String format(String form, Object... values) {
    return String.format(Locale.ROOT, form, values);
  }
}
