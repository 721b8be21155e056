package dev.attune.track;

import dev.attune.core.Count;
import dev.attune.core.Term;
import dev.attune.data.Finding;
import dev.attune.data.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a colleague would say who looks at predictions beside labels. */
public final class PredictionFindings {
  /** A class of fewer rows may be missed by chance. */
  private static final int LEAST_ROWS = 5;

  private static final int CLASSES_NAMED = 5;

  /** Labels are doubted only by models that are right about so many others. */
  private static final double DOUBTING_ACCURACY = 0.9;

  private static final int LEAST_COMPARED = 50;

  private PredictionFindings() {}

  /**
   * Counts of one class.
   *
   * @param name of the class
   * @param labelled rows that have it
   * @param predicted rows that were given it
   * @param right rows of both kinds
   */
  public record ClassCount(String name, long labelled, long predicted, long right) {}

  /**
   * Of classes, one a row.
   *
   * @param split what was measured: validation or test
   */
  public static List<Finding> ofClasses(List<ClassCount> classes, String split) {
    List<Finding> out = new ArrayList<>();
    neverPredicted(classes, split).ifPresent(out::add);
    baseline(classes, split).ifPresent(out::add);
    return out;
  }

  private static Optional<Finding> neverPredicted(List<ClassCount> classes, String split) {
    List<ClassCount> never =
        classes.stream().filter(c -> c.predicted() == 0 && c.labelled() >= LEAST_ROWS).toList();
    if (never.isEmpty()) {
      return Optional.empty();
    }
    String names =
        never.stream()
            .limit(CLASSES_NAMED)
            .map(c -> "'" + c.name() + "' (" + Count.many(c.labelled(), "row") + ")")
            .collect(Collectors.joining(", "));
    int more = never.size() - CLASSES_NAMED;
    return Optional.of(
        new Finding(
            Severity.WARNING,
            "class_never_predicted",
            split,
            "never predicted on "
                + split
                + " data: "
                + names
                + (more > 0 ? " and " + more + " more" : "")
                + ". "
                + Term.CLASS_WEIGHTS.of("balanced")
                + " helps rare classes, more "
                + Term.EPOCHS
                + " a model that has learned little yet",
            List.of(),
            0));
  }

  private static Optional<Finding> baseline(List<ClassCount> classes, String split) {
    long rows = classes.stream().mapToLong(ClassCount::labelled).sum();
    long right = classes.stream().mapToLong(ClassCount::right).sum();
    ClassCount largest =
        classes.stream().reduce((a, b) -> b.labelled() > a.labelled() ? b : a).orElse(null);
    boolean isPerfect = right == rows; // where all rows have one label, nothing is better than that
    if (largest == null || rows < LEAST_ROWS || isPerfect || right > largest.labelled()) {
      return Optional.empty();
    }
    return Optional.of(
        new Finding(
            Severity.WARNING,
            "majority_baseline",
            split,
            String.format(
                Locale.ROOT,
                "accuracy on %s data is %.1f %%, and always saying '%s' has %.1f %%: the model is no"
                    + " better than that. Try a higher %s, more %s, or look at the labels",
                split,
                100.0 * right / rows,
                largest.name(),
                100.0 * largest.labelled() / rows,
                Term.LEARNING_RATE,
                Term.EPOCHS),
            List.of(),
            0));
  }

  /**
   * A row that was predicted otherwise than it says.
   *
   * @param row its number in the data
   * @param probability of what was predicted
   */
  public record Disagreement(int row, double probability) {}

  /**
   * Labels that look wrong: a model that is nearly always right is sure of another one.
   *
   * @param compared rows
   * @param wrong those of them that were predicted otherwise
   * @param worst of these, the worst first
   */
  public static Optional<Finding> doubtfulLabels(
      int compared, int wrong, List<Disagreement> worst, String split) {
    if (compared < LEAST_COMPARED || wrong > (1 - DOUBTING_ACCURACY) * compared) {
      return Optional.empty();
    }
    List<Integer> rows =
        worst.stream().filter(d -> d.probability() >= 0.99).map(Disagreement::row).toList();
    if (rows.isEmpty()) {
      return Optional.empty();
    }
    // All that were handed over are: so may others be, which were not.
    boolean isLeast = rows.size() == worst.size() && wrong > worst.size();
    return Optional.of(
        new Finding(
            Severity.NOTE,
            "doubtful_labels",
            split,
            (isLeast ? "at least " : "")
                + Count.many(rows.size(), "label")
                + " of "
                + split
                + " data may be wrong: the model, which is right about "
                + Math.round(100.0 * (compared - wrong) / compared)
                + " % of them, is sure of another",
            rows.subList(0, Math.min(10, rows.size())),
            rows.size()));
  }
}
