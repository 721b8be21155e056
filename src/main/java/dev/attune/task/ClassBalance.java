package dev.attune.task;

import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** The rules of the data report on how many examples classes have. */
final class ClassBalance {
  private static final double MAJORITY_SHARE = 0.9;
  private static final int FEW_EXAMPLES = 10;
  private static final int SHOWN = 5;

  private final Findings found;
  private final Map<String, Integer> counts;

  /**
   * Those of a split.
   *
   * @param counts of its classes, 0 of those that it lacks
   */
  ClassBalance(Findings found, Map<String, Integer> counts) {
    this.found = found;
    this.counts = counts;
  }

  /** A class that nearly every row has. */
  void majority() {
    long total = counts.values().stream().mapToLong(Integer::longValue).sum();
    present()
        .filter(e -> e.getValue() >= MAJORITY_SHARE * total)
        .forEach(
            e ->
                found.add(
                    Severity.WARNING,
                    "majority_class",
                    String.format(
                        Locale.ROOT,
                        "%.1f %% of the rows are \"%s\": always guessing it is that accurate, so look"
                            + " at F1",
                        100.0 * e.getValue() / total,
                        e.getKey())));
  }

  /** Classes with few examples to learn from. */
  void rare(String unit) {
    List<String> rare =
        present()
            .filter(e -> e.getValue() < FEW_EXAMPLES)
            .map(e -> '"' + e.getKey() + "\" (" + e.getValue() + ')')
            .toList();
    if (!rare.isEmpty()) {
      found.add(
          Severity.NOTE,
          "rare_class",
          "fewer than " + FEW_EXAMPLES + " " + unit + " of " + some(rare));
    }
  }

  /** Classes of the training set that this split lacks. */
  void absent() {
    List<String> absent =
        counts.entrySet().stream()
            .filter(e -> e.getValue() == 0)
            .map(e -> '"' + e.getKey() + '"')
            .toList();
    if (!absent.isEmpty()) {
      found.add(Severity.NOTE, "absent_class", "no example of " + some(absent));
    }
  }

  private Stream<Map.Entry<String, Integer>> present() {
    return counts.entrySet().stream().filter(e -> e.getValue() > 0);
  }

  private static String some(List<String> names) {
    return String.join(", ", names.subList(0, Math.min(SHOWN, names.size())))
        + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : "");
  }
}
