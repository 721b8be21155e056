package dev.attune.cli;

import dev.attune.run.CrossValidation;
import java.util.List;
import java.util.Locale;

/** The metrics of a cross-validation, a line a fold, and their mean with its standard error. */
final class FoldTable {
  private static final String HEAD = "%-8s %6s";
  private static final int WIDTH = 12;

  private FoldTable() {}

  static String of(CrossValidation.Outcome outcome) {
    List<String> metrics = List.copyOf(outcome.mean().keySet());
    StringBuilder table = new StringBuilder(String.format(Locale.ROOT, HEAD, "fold", "rows"));
    metrics.forEach(metric -> table.append(cell(metric, metric)));
    table.append('\n');
    for (CrossValidation.FoldResult fold : outcome.folds()) {
      table.append(String.format(Locale.ROOT, HEAD, fold.number(), fold.rows()));
      metrics.forEach(
          metric -> table.append(number(metric, fold.metrics().getOrDefault(metric, Double.NaN))));
      table.append('\n');
    }
    table.append(String.format(Locale.ROOT, HEAD, "mean", ""));
    metrics.forEach(metric -> table.append(number(metric, outcome.mean().get(metric))));
    table.append('\n').append(String.format(Locale.ROOT, HEAD, "± s.e.", ""));
    metrics.forEach(metric -> table.append(number(metric, outcome.standardError().get(metric))));
    return table.append('\n').toString();
  }

  private static String number(String metric, double value) {
    return cell(metric, String.format(Locale.ROOT, "%.4f", value));
  }

  private static String cell(String metric, String text) {
    return "  " + " ".repeat(Math.max(0, width(metric) - text.length())) + text;
  }

  private static int width(String metric) {
    return Math.max(metric.length(), WIDTH - 2);
  }
}
