package dev.attune.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What the data report has to know of the task that data is for. */
public interface TargetChecks {
  /** The task's name, for programs. */
  String name();

  /** What an example is trained towards: equal texts should have equal ones; null: no matter. */
  default Object target(Example example) {
    return null;
  }

  /** Whether an example has nothing to read. */
  default boolean isEmpty(Example example) {
    return example.hasNoText();
  }

  /** The classes of an example; empty where there are none. */
  default List<String> classes(Example example) {
    return List.of();
  }

  /**
   * The classes that the training set has, in the order of their ids; null where there are none.
   */
  default LabelMap labels() {
    return null;
  }

  /** Examples (words, where words have classes) per class: known ones first, then any others. */
  default Map<String, Integer> classCounts(Dataset dataset) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    if (labels() != null) {
      labels().names().forEach(name -> counts.put(name, 0));
    }
    Map<String, Integer> others = new TreeMap<>();
    for (Example example : dataset.examples()) {
      for (String name : classes(example)) {
        (counts.containsKey(name) ? counts : others).merge(name, 1, Integer::sum);
      }
    }
    counts.putAll(others);
    return counts;
  }

  /**
   * All that {@link #examine}, {@link #classCounts}, {@link #target} and {@link #isEmpty} depend on
   * beside the rows, as a text; null: not known, so that nothing of it is kept.
   */
  default String described() {
    return null;
  }

  /** Looks at texts and targets, before anything is encoded. */
  void examine(Findings found, Map<String, Integer> classCounts);

  /** Looks at what is left of the targets after truncation. */
  default void examineLengths(Findings found, TokenLengths tokens) {
    LengthFindings.targetsLeft(found, tokens);
  }

  /** What one sequence is called. */
  default String unit() {
    return "row";
  }

  /** One line on a split's targets, or null. */
  default String describe(SplitSummary summary) {
    return null;
  }

  /** The same for programs. */
  default void describe(SplitSummary summary, ObjectNode split) {}
}
