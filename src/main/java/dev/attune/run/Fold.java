package dev.attune.run;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding;
import dev.attune.data.Folds;
import dev.attune.data.LabelMap;
import dev.attune.data.Split;
import dev.attune.data.TargetChecks;
import dev.attune.task.TaskType;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * One run of a cross-validation: what of the training data it holds out.
 *
 * @param number from 1
 * @param count of folds
 * @param goesOn whether the cross-validation was begun earlier, with the same options
 */
record Fold(int number, int count, boolean goesOn) {
  /** One of a cross-validation that begins. */
  Fold(int number, int count) {
    this(number, count, false);
  }

  /** Models that this fold and those after it leave. */
  int modelsLeft(boolean keepsModels) {
    return keepsModels ? count - number + 1 : 0;
  }

  /**
   * What to say where a fold cannot be trained: the reason may be a class of which it holds out
   * all.
   *
   * @param why the data that it would learn are refused
   * @param whole the data of all folds
   * @param cut of them, as {@link #cut} does it
   * @param labels null: there are none
   */
  InputException refusal(
      InputException why, Dataset whole, Split cut, LabelMap labels, TaskType type) {
    if (labels == null) {
      return why;
    }
    TargetChecks classes = type.create(labels, whole, option -> null);
    Set<String> left = new HashSet<>();
    cut.train().examples().forEach(example -> left.addAll(classes.classes(example)));
    Map<String, Integer> lost = new TreeMap<>();
    for (Example example : cut.validation().examples()) {
      new HashSet<>(classes.classes(example)).forEach(name -> lost.merge(name, 1, Integer::sum));
    }
    lost.keySet().removeAll(left);
    if (lost.isEmpty()) {
      return why;
    }
    return new InputException(
        RunOption.K_FOLD.with(count)
            + ": "
            + lost.entrySet().stream()
                .map(
                    entry ->
                        "the class \""
                            + entry.getKey()
                            + "\" has "
                            + Count.many(entry.getValue(), "row"))
                .collect(Collectors.joining(", "))
            + ", all in fold "
            + number
            + ", so that the run that holds this fold out has none to learn from. Folds part"
            + " different texts: give each class at least 2 of them ("
            + count
            + " for each fold to measure it), or leave the class out",
        why);
  }

  /**
   * Cuts the training data: the fold is what the run evaluates on.
   *
   * @param whole in the form in which it is learned
   */
  Split cut(Dataset whole, long seed, TaskType type) {
    Folds folds = Folds.of(whole, count, seed, type::stratum);
    Dataset held = folds.examples(number - 1, false);
    Dataset learned = folds.examples(number - 1, true);
    Map<String, Integer> few = folds.classesThatFoldsLack(count);
    if (!few.isEmpty()) {
      learned =
          learned.with(
              Finding.ofFile(
                  Finding.Severity.WARNING,
                  "rare_classes",
                  "classes with fewer texts than there are folds, so that some folds measure none"
                      + " of them: "
                      + few.entrySet().stream()
                          .map(entry -> '"' + entry.getKey() + "\" (" + entry.getValue() + ")")
                          .collect(Collectors.joining(", "))));
    }
    return new Split(
        learned,
        held.withoutFindings() // they stand with what is trained on
            .with(
                Finding.ofFile(
                    Finding.Severity.NOTE,
                    "fold",
                    String.format(
                        "fold %d of %d holds out %d of %s of %s (seed %d), equal texts in one fold",
                        number,
                        count,
                        held.size(),
                        Count.many(whole.size(), "row"),
                        whole.source(),
                        seed))));
  }
}
