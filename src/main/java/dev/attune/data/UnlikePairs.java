package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.data.Columns.Role;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Pairs of texts beside a column that may say which of them are not alike. Where that column is
 * passed over, all pairs would be learned as alike.
 */
final class UnlikePairs {
  private static final String LABELS = "label";

  private UnlikePairs() {}

  /**
   * Refuses such a file, unless it was said which columns are the pair.
   *
   * @param found columns by their roles
   * @param values of each column
   */
  static void refuse(Columns columns, Map<Role, String> found, Map<String, ColumnValues> values) {
    boolean anchored = found.containsKey(Role.ANCHOR) && found.containsKey(Role.POSITIVE);
    Role first = anchored ? Role.ANCHOR : Role.TEXT;
    Role second = anchored ? Role.POSITIVE : Role.TEXT_PAIR;
    if (!found.containsKey(first)
        || !found.containsKey(second)
        || found.containsKey(Role.NEGATIVE)
        || found.containsKey(Role.LABEL)
        || columns.asksFor(second)) {
      return;
    }
    List<String> measures =
        values.keySet().stream()
            .filter(name -> !found.containsValue(name) && mayMeasure(name, values.get(name)))
            .toList();
    if (measures.size() != 1) {
      return;
    }
    Map<Role, String> alike = new LinkedHashMap<>();
    alike.put(first, found.get(first));
    alike.put(second, found.get(second));
    Map<Role, String> scored = new LinkedHashMap<>();
    scored.put(Role.TEXT, found.get(first));
    scored.put(Role.TEXT_PAIR, found.get(second));
    scored.put(Role.LABEL, measures.get(0));
    throw new InputException(
        Excerpt.quoted(measures)
            + " seems to say of each pair whether its texts are alike, and all pairs would be"
            + " learned as alike. Where it says that, give "
            + Columns.option(scored)
            + ", or leave out the rows whose texts are not alike; where it does not, "
            + Columns.option(alike));
  }

  /** 0 and 1, or numbers under a name of scores or labels. */
  private static boolean mayMeasure(String name, ColumnValues column) {
    String normalised = UsualNames.normalised(name);
    boolean isNamed = UsualNames.SCORES.contains(normalised) || normalised.startsWith(LABELS);
    return column.areBits() && column.has("0")
        || isNamed && !column.areTexts() && !column.areLists();
  }
}
