package dev.attune.task;

import static dev.attune.data.Findings.many;

import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The rules of the data report on named classes. */
final class LabelFindings {
  private static final double MAJORITY_SHARE = 0.9;
  private static final int FEW_EXAMPLES = 10;
  private static final int SHOWN = 5;

  private final Findings found;
  private final LabelMap labels;
  private final Map<String, Integer> counts;

  /**
   * @param labels of the training set
   * @param counts of the split's classes
   */
  LabelFindings(Findings found, LabelMap labels, Map<String, Integer> counts) {
    this.found = found;
    this.labels = labels;
    this.counts = counts;
  }

  /**
   * Classes that the training set lacks.
   *
   * @param has whether an example has one
   * @param one "row has a label"
   * @param more "rows have labels"
   * @param noun "labels"
   */
  void unknown(Predicate<Example> has, String one, String more, String noun) {
    String names =
        quoted(
            counts.keySet().stream().filter(name -> !labels.contains(name)).limit(SHOWN).toList());
    found.examples(
        Severity.FATAL,
        "unknown_label",
        has,
        n ->
            many(n, one, more)
                + " that the training set lacks ("
                + names
                + "). Known "
                + noun
                + ": "
                + labels.describe());
  }

  /** Whether only one class occurs; then there is nothing to learn. */
  boolean isSingle(String noun) {
    List<String> present = present().map(Map.Entry::getKey).toList();
    if (present.size() != 1) {
      return false;
    }
    found.add(
        Severity.FATAL,
        "single_class",
        "every row has the same "
            + noun
            + ", \""
            + present.get(0)
            + "\": there is nothing to learn");
    return true;
  }

  /** Names that a typing error may have made. */
  void alike() {
    present()
        .map(Map.Entry::getKey)
        .collect(Collectors.groupingBy(name -> name.strip().toLowerCase(Locale.ROOT)))
        .values()
        .stream()
        .filter(names -> names.size() > 1)
        .forEach(
            names ->
                found.add(
                    Severity.WARNING,
                    "similar_labels",
                    "the labels "
                        + quoted(names)
                        + " differ only in case or spaces, and are different classes"));
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

  private static String quoted(List<String> names) {
    return names.stream().map(name -> '"' + name + '"').collect(Collectors.joining(", "));
  }
}
