package dev.attune.run;

import dev.attune.data.Dataset;
import dev.attune.data.Finding;
import dev.attune.data.Folds;
import dev.attune.data.Split;
import dev.attune.task.TaskType;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * One run of a cross-validation: what of the training data it holds out.
 *
 * @param number from 1
 * @param count of folds
 */
record Fold(int number, int count) {
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
                        "fold %d of %d: %d of %d rows of %s are held out (seed %d), equal texts in"
                            + " one fold",
                        number, count, held.size(), whole.size(), whole.source(), seed))));
  }
}
