package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.TerminalText;
import dev.attune.data.Dataset;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.run.Comparison;
import dev.attune.task.Judgement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

/** Shows predictions beside what rows say: the worst, and which label was taken for which. */
final class ComparisonView {
  /** With less room for a text than this, it gets a line of its own. */
  private static final int LEAST_TEXT = 24;

  private static final String GAP = "  ";

  private ComparisonView() {}

  /** For programs: nothing is shortened. */
  static void fill(ObjectNode json, Comparison comparison, Dataset data) {
    json.put("compared", comparison.compared());
    json.put("wrong", comparison.wrong());
    if (comparison.skipped() > 0) {
      json.put("without_gold", comparison.skipped());
    }
    if (comparison.hasWorst()) {
      json.put("worst_by", comparison.errorName());
      ArrayNode list = json.putArray("worst");
      for (Comparison.Mistake mistake : comparison.worst()) {
        ObjectNode one = list.addObject();
        int row = mistake.example().row();
        if (data.parts().size() > 1) {
          one.put("file", data.file(row).toString());
        }
        one.put("row", data.rowInFile(row));
        mistake.writeTo(one);
      }
    }
    ClassificationMetrics counts = comparison.counts();
    if (counts != null) {
      ObjectNode matrix = json.putObject("confusion_matrix");
      counts.names().forEach(matrix.putArray("labels")::add);
      ArrayNode rows = matrix.putArray("counts");
      for (long[] row : counts.confusion()) {
        ArrayNode cells = rows.addArray();
        for (long count : row) {
          cells.add(count);
        }
      }
    }
  }

  /** For people. */
  static void print(Console console, Comparison comparison, Dataset data) {
    if (comparison.hasWorst()) {
      console.line("");
      lines(comparison, data, console.columns()).forEach(console::laidOut);
    }
    if (comparison.skipped() > 0) {
      console.line(
          "%s nothing that could be compared: no label, or none that the model knows",
          Count.many(comparison.skipped(), "row says", "rows say"));
    }
  }

  /** How many are wrong, and the worst of them. */
  private static List<String> lines(Comparison comparison, Dataset data, int columns) {
    List<Comparison.Mistake> worst = comparison.worst();
    if (worst.isEmpty()) {
      return List.of("no mistakes among " + Count.many(comparison.compared(), "row"));
    }
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            Locale.ROOT,
            "%d of %s wrong; the worst %d by %s:",
            comparison.wrong(),
            Count.many(comparison.compared(), "row"),
            worst.size(),
            comparison.errorName()));
    lines.addAll(table(worst, comparison.errorName(), data::place, columns));
    return lines;
  }

  /**
   * A table of mistakes, whose lines have so many characters at most.
   *
   * @param error what the column of errors is called
   * @param place of a row, by its number
   */
  static List<String> table(
      List<Comparison.Mistake> worst, String error, IntFunction<String> place, int columns) {
    List<String[]> table = new ArrayList<>();
    table.add(new String[] {"row", error, "gold", "predicted", "p", "text"});
    for (Comparison.Mistake mistake : worst) {
      Judgement judgement = mistake.judgement();
      double probability = judgement.probability();
      table.add(
          new String[] {
            place.apply(mistake.example().row()),
            number(judgement.error()),
            onOneLine(judgement.gold()),
            onOneLine(judgement.predicted()),
            Double.isNaN(probability) ? "" : String.format(Locale.ROOT, "%.3f", probability),
            onOneLine(mistake.text())
          });
    }
    if (table.stream().skip(1).allMatch(row -> row[4].isEmpty())) {
      table.get(0)[4] = ""; // of numbers there are no probabilities
    }
    return laidOut(table, columns);
  }

  /** Fixed columns, and a text where there is room for it, else below. */
  private static List<String> laidOut(List<String[]> table, int columns) {
    int most = Math.max(8, columns / 5);
    int[] widths = new int[table.get(0).length - 1];
    int used = 0;
    for (int column = 0; column < widths.length; column++) {
      for (String[] row : table) {
        widths[column] = Math.max(widths[column], Math.min(most, TerminalText.width(row[column])));
      }
      used += widths[column] == 0 ? 0 : widths[column] + GAP.length();
    }
    boolean isWide = columns - used >= LEAST_TEXT;
    List<String> lines = new ArrayList<>();
    for (String[] row : table) {
      StringBuilder line = new StringBuilder();
      for (int column = 0; column < widths.length; column++) {
        if (widths[column] > 0) {
          boolean isWord = column == 2 || column == 3;
          String cell = row[column];
          line.append(
              isWord
                  ? TerminalText.left(cell, widths[column])
                  : TerminalText.right(cell, widths[column]));
          line.append(GAP);
        }
      }
      String text = row[widths.length];
      if (isWide) {
        lines.add((line + TerminalText.cut(text, columns - used)).stripTrailing());
      } else {
        lines.add(TerminalText.cut(line.toString().stripTrailing(), columns));
        if (row != table.get(0)) {
          lines.add("    " + TerminalText.cut(text, columns - 4));
        }
      }
    }
    return lines;
  }

  private static String number(double error) {
    return error == Math.rint(error) && error < 1e6
        ? String.format(Locale.ROOT, "%.0f", error)
        : String.format(Locale.ROOT, "%.4g", error);
  }

  private static String onOneLine(String text) {
    return TerminalText.visible(text.replaceAll("\\s+", " ").strip());
  }
}
