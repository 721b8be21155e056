package dev.attune.data;

import dev.attune.core.Count;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Rows of pairs whose texts have no names, as sentence-transformers' data have them: a list of an
 * anchor, of a text that it is like and of any that it is not like ({@code ["a", "b"]}, or {@code
 * {"texts": ["a", "b", "c"]}}), the two texts with a score of how alike they are, or a set of texts
 * of which every two are alike ({@code {"set": ["a", "b", "c"]}}). A list under such a name beside
 * other texts may be anything else, and is left to its columns.
 */
final class UnnamedTexts implements FieldRows {
  private static final String SET = "set";
  private static final String TEXTS = "texts";

  /** Texts of a set at most: half a million pairs. */
  private static final int MOST = 1000;

  /** Names of what tells rows apart. */
  private static final Set<String> IDS = Set.of("id", "idx", "guid", "qid");

  private final Path file;
  private final FieldRows rows;
  private final Columns columns;
  private List<Object> set = List.of(); // the last one, of which pairs may be left
  private Map<String, Object> beside = Map.of(); // its row
  private int first; // of the next pair
  private int second;
  private int sets;
  private long pairs;

  UnnamedTexts(Path file, FieldRows rows, Columns columns) {
    this.file = file;
    this.rows = rows;
    this.columns = columns;
  }

  @Override
  public Map<String, Object> next() throws BadRow {
    if (second < set.size()) {
      return pair();
    }
    Map<String, Object> row = rows.next();
    if (row == null || columns.isUsable(row.keySet())) {
      return row;
    }
    if (isOnly(TEXTS, row)) {
      return with(named(file, row(), (List<?>) row.get(TEXTS)), row, TEXTS);
    }
    if (!isOnly(SET, row)) {
      return row;
    }
    begin((List<?>) row.get(SET), row);
    return pair();
  }

  /** Whether a field holds the only list of a row, and its only texts but for labels and ids. */
  private boolean isOnly(String name, Map<String, Object> row) {
    return row.get(name) instanceof List<?>
        && !columns.asksFor(name)
        && row.entrySet().stream()
            .noneMatch(field -> !field.getKey().equals(name) && isContent(field));
  }

  private static boolean isContent(Map.Entry<String, Object> field) {
    String name = UsualNames.normalised(field.getKey());
    return field.getValue() instanceof List<?>
        || field.getValue() instanceof String text
            && !text.isBlank()
            && !UsualNames.LABELS.contains(name)
            && !IDS.contains(name)
            && !name.endsWith("_id");
  }

  private void begin(List<?> given, Map<String, Object> row) throws BadRow {
    List<Object> texts = new ArrayList<>(new LinkedHashSet<Object>(given));
    if (texts.size() < 2 || !areTexts(texts)) {
      throw new BadRow(
          at(file, row())
              + ": \"set\" must be a list of two or more different texts, of which every two are"
              + " alike, not "
              + Excerpt.shortened(given.toString()));
    }
    if (texts.size() > MOST) {
      throw new BadRow(
          String.format(
              Locale.ROOT,
              "%s: \"set\" has %,d texts, and every two of them would be a pair; %,d are the most."
                  + " Write it as several sets",
              at(file, row()),
              texts.size(),
              MOST));
    }
    sets++;
    set = texts;
    beside = row;
    first = 0;
    second = 1;
  }

  /** The next two of the set, in their order: all its pairs at once might fill the memory. */
  private Map<String, Object> pair() throws BadRow {
    Map<String, Object> pair =
        with(named(file, row(), List.of(set.get(first), set.get(second))), beside, SET);
    pairs++;
    second++;
    if (second == set.size()) {
      first++;
      second = first + 1;
    }
    return pair;
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
