package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Single-label classification: O(K) counts for {@code K} classes, (K, K) where those are few or it
 * is asked for.
 */
public final class ClassificationMetrics implements Metrics {
  /** Beyond this many classes nobody reads a confusion matrix in a terminal. */
  private static final int MAX_CONFUSION = 10;

  private final List<String> names;
  private final long[] correct; // (K)
  private final long[] labelled; // (K)
  private final long[] predicted; // (K)
  private final long[][] confusion; // (K, K): by label, then prediction; null where K is large
  private long count;

  /** For the classes of these names, in the order of their ids. */
  public ClassificationMetrics(List<String> names) {
    this(names, names.size() <= MAX_CONFUSION);
  }

  private ClassificationMetrics(List<String> names, boolean isCountedByPair) {
    Check.argument(!names.isEmpty(), "classification needs at least one class");
    this.names = List.copyOf(names);
    this.correct = new long[names.size()];
    this.labelled = new long[names.size()];
    this.predicted = new long[names.size()];
    this.confusion = isCountedByPair ? new long[names.size()][names.size()] : null;
  }

  /** The same with a confusion matrix, however many classes there are. */
  public static ClassificationMetrics withConfusion(List<String> names) {
    return new ClassificationMetrics(names, true);
  }

  /** Whether it is counted how often each was predicted for each. */
  public boolean hasConfusion() {
    return confusion != null;
  }

  /** The classes, in the order of their ids (K). */
  public List<String> names() {
    return names;
  }

  /**
   * How often each was predicted for each, by label, then prediction (K, K).
   *
   * @throws IllegalStateException where that is not counted
   */
  public long[][] confusion() {
    Check.state(confusion != null, "pairs of %d classes are not counted", names.size());
    long[][] copy = new long[confusion.length][];
    for (int k = 0; k < copy.length; k++) {
      copy[k] = confusion[k].clone();
    }
    return copy;
  }

  /** Counts one prediction. */
  public void add(int label, int prediction) {
    int classes = names.size();
    Check.argument(
        label >= 0 && label < classes && prediction >= 0 && prediction < classes,
        "label %d, prediction %d: classes are 0 to %d",
        label,
        prediction,
        classes - 1);
    count++;
    labelled[label]++;
    predicted[prediction]++;
    if (confusion != null) {
      confusion[label][prediction]++;
    }
    if (label == prediction) {
      correct[label]++;
    }
  }

  /** Adds what another accumulator over the same classes has seen. */
  public void merge(ClassificationMetrics other) {
    Check.argument(names.equals(other.names), "classes %s are not %s", other.names, names);
    count += other.count;
    for (int k = 0; k < correct.length; k++) {
      correct[k] += other.correct[k];
      labelled[k] += other.labelled[k];
      predicted[k] += other.predicted[k];
      for (int j = 0; confusion != null && j < correct.length; j++) {
        confusion[k][j] += other.confusion[k][j];
      }
    }
  }

  @Override
  public long count() {
    return count;
  }

  /** Rows of class {@code k}. */
  public long labelled(int k) {
    return labelled[k];
  }

  /** Rows that were given class {@code k}. */
  public long predicted(int k) {
    return predicted[k];
  }

  /** Rows of class {@code k} that were given it. */
  public long correct(int k) {
    return correct[k];
  }

  /** The fraction of the predictions of class {@code k} that are right; 0 when there are none. */
  public double precision(int k) {
    return ratio(correct[k], predicted[k]);
  }

  /** The fraction of the rows of class {@code k} that are found; 0 when there are none. */
  public double recall(int k) {
    return ratio(correct[k], labelled[k]);
  }

  /** The harmonic mean of precision and recall of class {@code k}. */
  public double f1(int k) {
    return ratio(2 * correct[k], labelled[k] + predicted[k]);
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no predictions were counted");
    double f1 = 0;
    double precision = 0;
    double recall = 0;
    double f1Weighted = 0;
    int present = 0;
    for (int k = 0; k < correct.length; k++) {
      if (labelled[k] + predicted[k] > 0) {
        present++;
        f1 += f1(k);
        precision += precision(k);
        recall += recall(k);
        f1Weighted += f1(k) * labelled[k];
      }
    }
    long right = 0;
    for (long c : correct) {
      right += c;
    }
    double accuracy = ratio(right, count);
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("accuracy", accuracy);
    out.put("f1_macro", f1 / present);
    out.put("f1_micro", accuracy); // with one label a row, every micro average is the accuracy
    out.put("f1_weighted", f1Weighted / count);
    out.put("precision_macro", precision / present);
    out.put("recall_macro", recall / present);
    out.put("mcc", matthews(right));
    return out;
  }

  /** Gorodkin's form of Matthews' coefficient for K classes; 0 when either side has one class. */
  private double matthews(long right) {
    double total = count;
    double covariance = right * total;
    double labelSpread = total * total;
    double predictionSpread = total * total;
    for (int k = 0; k < correct.length; k++) {
      double t = labelled[k];
      double p = predicted[k];
      covariance -= t * p;
      labelSpread -= t * t;
      predictionSpread -= p * p;
    }
    return labelSpread == 0 || predictionSpread == 0
        ? 0
        : covariance / Math.sqrt(labelSpread * predictionSpread);
  }

  /**
   * A table of precision, recall, F1 and support, one class a line; below it, where it is counted,
   * the confusion matrix.
   */
  @Override
  public String table(int columns) {
    String scores =
        ClassTable.render(
            names, k -> new double[] {precision(k), recall(k), f1(k)}, k -> labelled[k], columns);
    return confusion == null
        ? scores
        : scores + "\n" + ClassTable.confusion(names, confusion, columns);
  }

  static double ratio(long part, long whole) {
    return whole == 0 ? 0 : (double) part / whole;
  }
}
