package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.run.Comparison;
import dev.attune.task.Judgement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Shows predictions beside what rows say: the worst, and which label was taken for which. */
final class ComparisonView {
  /** With less room for a text than this, it gets a line of its own. */
  private static final int LEAST_TEXT = 24;

  private static final String BETWEEN_TEXTS = " ⏐ ";

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
        Judgement judgement = mistake.judgement();
        ObjectNode one = list.addObject();
        one.put("row", data.place(mistake.example().row()));
        one.put("text", text(mistake.example()));
        one.put("gold", judgement.gold());
        one.put("predicted", judgement.predicted());
        one.put("error", judgement.error());
        if (!Double.isNaN(judgement.probability())) {
          one.put("probability", judgement.probability());
        }
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
      lines(comparison, data, console.columns()).forEach(line -> console.line("%s", line));
    }
    if (comparison.skipped() > 0) {
      console.line(
          "%d rows say nothing that could be compared: no label, or none that the model knows",
          comparison.skipped());
    }
  }

  /** A table of the worst, whose lines have so many characters at most. */
  static List<String> lines(Comparison comparison, Dataset data, int columns) {
    List<Comparison.Mistake> worst = comparison.worst();
    List<String> lines = new ArrayList<>();
    lines.add(
        worst.isEmpty()
            ? String.format(Locale.ROOT, "no mistakes among %d rows", comparison.compared())
            : String.format(
                Locale.ROOT,
                "%d of %d rows are wrong; the worst %d by %s:",
                comparison.wrong(),
                comparison.compared(),
                worst.size(),
                comparison.errorName()));
    if (worst.isEmpty()) {
      return lines;
    }
    List<String[]> table = new ArrayList<>();
    table.add(new String[] {"row", comparison.errorName(), "gold", "predicted", "text"});
    for (Comparison.Mistake mistake : worst) {
      Judgement judgement = mistake.judgement();
      String probability =
          Double.isNaN(judgement.probability())
              ? ""
              : String.format(Locale.ROOT, " %.3f", judgement.probability());
      table.add(
          new String[] {
            data.place(mistake.example().row()),
            number(judgement.error()),
            onOneLine(judgement.gold()),
            onOneLine(judgement.predicted()) + probability,
            onOneLine(text(mistake.example()))
          });
    }
    int most = Math.max(10, columns / 4);
    int[] widths = new int[4];
    for (int column = 0; column < widths.length; column++) {
      for (String[] row : table) {
        widths[column] = Math.max(widths[column], Math.min(most, length(row[column])));
      }
    }
    int used = widths[0] + widths[1] + widths[2] + widths[3] + 2 * widths.length;
    boolean isWide = columns - used >= LEAST_TEXT;
    for (String[] row : table) {
      String start =
          right(row[0], widths[0])
              + "  "
              + right(row[1], widths[1])
              + "  "
              + left(row[2], widths[2])
              + "  "
              + left(row[3], widths[3]);
      if (isWide) {
        lines.add((start + "  " + cut(row[4], columns - used)).stripTrailing());
      } else {
        lines.add(cut(start, columns).stripTrailing());
        if (row != table.get(0)) {
          lines.add("    " + cut(row[4], columns - 4));
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

  /** What a model read of a row. */
  private static String text(Example example) {
    if (example.text() == null && example.tokens() != null) {
      return String.join(" ", example.tokens());
    }
    String text = example.text() == null ? "" : example.text();
    return example.textPair() == null ? text : text + BETWEEN_TEXTS + example.textPair();
  }

  private static String onOneLine(String text) {
    return text.replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  /** No more than so many characters, none of them halved. */
  static String cut(String text, int width) {
    return length(text) <= width
        ? text
        : text.substring(0, text.offsetByCodePoints(0, Math.max(0, width - 1))) + "…";
  }

  private static String left(String text, int width) {
    String shown = cut(text, width);
    return shown + " ".repeat(width - length(shown));
  }

  private static String right(String text, int width) {
    String shown = cut(text, width);
    return " ".repeat(width - length(shown)) + shown;
  }
}
