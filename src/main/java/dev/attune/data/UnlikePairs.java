package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.data.Columns.Role;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Pairs of texts beside a column that may say which of them are not alike. Where that column is
 * passed over, all pairs would be learned as alike.
 */
final class UnlikePairs {
  private static final String LABELS = "label";

  /** What columns hold that say yes or no, both of them. */
  private static final List<Set<String>> ANSWERS =
      List.of(Set.of("0", "1"), Set.of("0.0", "1.0"), Set.of("false", "true"), Set.of("no", "yes"));

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
    if (measures.isEmpty()) {
      return;
    }
    Map<Role, String> alike = new LinkedHashMap<>();
    alike.put(first, found.get(first));
    alike.put(second, found.get(second));
    String scored =
        measures.stream()
            .map(name -> scored(found.get(first), found.get(second), name))
            .collect(Collectors.joining(" or "));
    boolean isOne = measures.size() == 1;
    throw new InputException(
        Excerpt.quoted(measures)
            + (isOne ? " seems" : " seem")
            + " to say of each pair whether its texts are alike, and all pairs would be"
            + " learned as alike. Where "
            + (isOne ? "it" : "one")
            + " says that, give "
            + scored
            + (measures.stream().allMatch(name -> values.get(name).areNumbers())
                ? ""
                : ", with numbers in place of words: 1 for alike, 0 for not")
            + ", or leave out the rows whose texts are not alike; where "
            + (isOne ? "it does not" : "none does")
            + ", or once they are left out, "
            + Columns.option(alike));
  }

  private static String scored(String first, String second, String label) {
    Map<Role, String> option = new LinkedHashMap<>();
    option.put(Role.TEXT, first);
    option.put(Role.TEXT_PAIR, second);
    option.put(Role.LABEL, label);
    return Columns.option(option);
  }

  /** Yes and no, or numbers and short texts under a name of scores or labels. */
  private static boolean mayMeasure(String name, ColumnValues column) {
    String normalised = UsualNames.normalised(name);
    boolean isNamed =
        UsualNames.SCORES.contains(normalised)
            || normalised.startsWith(LABELS)
            || normalised.endsWith("_" + LABELS);
    return ANSWERS.stream().anyMatch(column::areAllOf)
        || isNamed
            && column.vary()
            && !column.areLists()
            && (!column.areTexts() || column.mayBeLabels());
  }
}
