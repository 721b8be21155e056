package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Rows that are an anchor with one or several texts that it is like, and texts that it is not. */
final class Anchors {
  private final Cells cells;
  private int several; // rows with several positives
  private int judged; // rows whose texts have a number each that says which is a positive

  Anchors(Cells cells) {
    this.cells = cells;
  }

  /** The examples of a row: one for each positive. */
  List<Example> read(
      int row,
      Map<String, Object> values,
      Map<ColumnRole, String> roles,
      Map<String, Object> fields) {
    String column = roles.get(ColumnRole.POSITIVE);
    String anchor = cells.text(row, values, roles.get(ColumnRole.ANCHOR));
    List<String> negatives = negatives(row, values, Columns.negatives(roles, values.keySet()));
    if (!(values.get(column) instanceof List<?>)) {
      String positive = cells.text(row, values, column);
      return List.of(Example.ofAnchor(row, anchor, positive, negatives, fields));
    }
    List<String> positives = new ArrayList<>(cells.strings(row, values, column, false));
    String judgements = judgements(values);
    if (judgements != null) {
      part(row, values, judgements, positives, negatives);
    }
    Check.input(
        !positives.isEmpty(),
        "%s: no text of \"%s\" is one that the anchor is like",
        cells.at(row),
        column);
    several += positives.size() > 1 ? 1 : 0;
    return positives.stream()
        .map(positive -> Example.ofAnchor(row, anchor, positive, negatives, fields))
        .toList();
  }

  /** The column of labels or scores that is a list; null where there is none. */
  private static String judgements(Map<String, Object> values) {
    return values.keySet().stream()
        .filter(name -> UsualNames.judges(name) && list(values.get(name)) != null)
        .findFirst()
        .orElse(null);
  }

  /** The list that a value is or, in a table, says; null where it is none. */
  private static List<?> list(Object value) {
    Object said = value instanceof String text ? CellValue.parse(text) : value;
    return said instanceof List<?> list ? list : null;
  }

  /** The number that a value is or, in a table, says. */
  private static double number(Object judgement) {
    Object read = judgement instanceof String text ? Decimal.parse(text) : judgement;
    return read instanceof Number number ? number.doubleValue() : Double.NaN;
  }

  /** Moves the texts that are judged 0 to the negatives. */
  private void part(
      int row,
      Map<String, Object> values,
      String judgements,
      List<String> positives,
      List<String> negatives) {
    List<?> numbers = list(values.get(judgements));
    boolean areBits = numbers.stream().allMatch(bit -> number(bit) == 0 || number(bit) == 1);
    Check.input(
        areBits && numbers.size() == positives.size(),
        "%s: \"%s\" must say 0 or 1 of each of the %d texts, not %s. Take the column away where it"
            + " says nothing of them",
        cells.at(row),
        judgements,
        positives.size(),
        Excerpt.shortened(String.valueOf(numbers)));
    judged++;
    List<String> all = List.copyOf(positives);
    positives.clear();
    for (int i = 0; i < all.size(); i++) {
      (number(numbers.get(i)) == 1 ? positives : negatives).add(all.get(i));
    }
  }

  /** One text a column, or the list of a column. */
  private List<String> negatives(int row, Map<String, Object> values, List<String> columns) {
    List<String> negatives = new ArrayList<>();
    for (String column : columns) {
      Object value = values.get(column);
      if (value instanceof List<?>) {
        negatives.addAll(cells.strings(row, values, column, false));
      } else {
        String text = cells.text(row, values, column);
        negatives.add(text == null ? "" : text);
      }
    }
    return negatives;
  }

  /** What the report says of such rows. */
  List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    if (several > 0) {
      findings.add(
          note(
              "several_positives",
              Count.many(several, "row has", "rows have")
                  + " several texts that the anchor is like, each of which makes a pair of its own."
                  + " With "
                  + Term.BATCH_SAMPLER.of("no-duplicates")
                  + " no two pairs of one anchor are in a batch, where they count as wrong for each"
                  + " other"));
    }
    if (judged > 0) {
      findings.add(
          note(
              "judged_texts",
              Count.many(judged, "row has", "rows have")
                  + " a list that says of each text whether the anchor is like it (1) or not (0)"));
    }
    return findings;
  }

  private static Finding note(String code, String message) {
    return Finding.ofFile(Finding.Severity.NOTE, code, message);
  }
}
