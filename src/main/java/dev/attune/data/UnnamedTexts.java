package dev.attune.data;

import dev.attune.core.Count;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/**
 * Rows of pairs whose texts have no names, as sentence-transformers' data have them: a list of an
 * anchor, of a text that it is like and of any that it is not like ({@code ["a", "b"]}, or {@code
 * {"texts": ["a", "b", "c"]}}), the two texts with a score of how alike they are, or a set of texts
 * of which every two are alike ({@code {"set": ["a", "b", "c"]}}).
 */
final class UnnamedTexts implements FieldRows {
  private static final String SET = "set";
  private static final String TEXTS = "texts";

  private final Path file;
  private final FieldRows rows;
  private final Columns columns;
  private final Deque<Map<String, Object>> coming = new ArrayDeque<>(); // of the last set
  private int sets;
  private int pairs;

  UnnamedTexts(Path file, FieldRows rows, Columns columns) {
    this.file = file;
    this.rows = rows;
    this.columns = columns;
  }

  @Override
  public Map<String, Object> next() throws BadRow {
    if (coming.isEmpty()) {
      Map<String, Object> row = rows.next();
      if (row == null || columns.isUsable(row.keySet())) {
        return row;
      }
      if (row.get(TEXTS) instanceof List<?> texts && !columns.asksFor(TEXTS)) {
        return with(named(file, row(), texts), row, TEXTS);
      }
      if (!(row.get(SET) instanceof List<?> texts) || columns.asksFor(SET)) {
        return row;
      }
      pair(texts, row);
    }
    return coming.remove();
  }

  /** Every two of a set, in their order. */
  private void pair(List<?> set, Map<String, Object> row) throws BadRow {
    List<Object> texts = new ArrayList<>(new LinkedHashSet<Object>(set));
    if (texts.size() < 2 || !areTexts(texts)) {
      throw new BadRow(
          at(file, row())
              + ": \"set\" must be a list of two or more different texts, of which every two are"
              + " alike, not "
              + Excerpt.shortened(set.toString()));
    }
    sets++;
    for (int i = 0; i < texts.size(); i++) {
      for (Object other : texts.subList(i + 1, texts.size())) {
        coming.add(with(named(file, row(), List.of(texts.get(i), other)), row, SET));
        pairs++;
      }
    }
  }

  /** What the fields of a row are, with names in place of the field that has none. */
  private static Map<String, Object> with(
      Map<String, Object> named, Map<String, Object> row, String without) {
    row.forEach(
        (name, value) -> {
          if (!name.equals(without)) {
            named.putIfAbsent(name, value);
          }
        });
    return named;
  }

  /** The fields that a list of texts says by its order. */
  static Map<String, Object> named(Path file, int row, List<?> list) throws BadRow {
    Map<String, Object> fields = new LinkedHashMap<>();
    boolean isScored = list.size() == 3 && list.get(2) instanceof Number;
    if (list.size() < 2 || !areTexts(isScored ? list.subList(0, 2) : list)) {
      throw new BadRow(
          at(file, row)
              + ": a list must be an anchor, a text that it is like and any that it is not like, or"
              + " two texts with a score, not "
              + Excerpt.shortened(list.toString()));
    }
    List<String> names =
        isScored
            ? List.of("sentence1", "sentence2", "score")
            : List.of("anchor", "positive", "negative");
    for (int i = 0; i < list.size(); i++) {
      fields.put(list.size() > 3 && i > 1 ? "negative_" + (i - 1) : names.get(i), list.get(i));
    }
    return fields;
  }

  private static boolean areTexts(List<?> list) {
    return list.stream().allMatch(String.class::isInstance);
  }

  private static String at(Path file, int row) {
    return file + ", row " + row;
  }

  @Override
  public int row() {
    return rows.row();
  }

  /** What the report says of sets. */
  List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    if (sets > 0) {
      findings.add(
          Finding.ofFile(
              Finding.Severity.NOTE,
              "sets",
              Count.many(sets, "row is a set", "rows are sets")
                  + " of texts that are alike; every two of a set make a pair, "
                  + Count.many(pairs, "pair")
                  + " in all"));
    }
    return findings;
  }
}
