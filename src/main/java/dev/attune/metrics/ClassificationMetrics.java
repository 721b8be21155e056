package dev.attune.metrics;

import dev.attune.core.Check;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Accuracy, precision, recall, F1 and Matthews' correlation from a confusion matrix. Macro averages
 * run over the classes that occur among labels or predictions, as scikit-learn's do.
 */
public final class ClassificationMetrics implements Metrics {
  private final List<String> names;
  private final long[][] confusion; // [label][prediction]

  /**
   * @param names of the classes, in id order
   */
  public ClassificationMetrics(List<String> names) {
    Check.argument(!names.isEmpty(), "there are no classes to measure");
    this.names = List.copyOf(names);
    this.confusion = new long[names.size()][names.size()];
  }

  /** Counts a prediction. */
  public void add(int label, int prediction) {
    confusion[label][prediction]++;
  }

  /** Adds the counts of another with the same classes. */
  public void merge(ClassificationMetrics other) {
    Check.argument(names.equals(other.names), "classes %s and %s differ", names, other.names);
    for (int i = 0; i < confusion.length; i++) {
      for (int j = 0; j < confusion.length; j++) {
        confusion[i][j] += other.confusion[i][j];
      }
    }
  }

  /** Examples counted. */
  public long count() {
    long sum = 0;
    for (int k = 0; k < names.size(); k++) {
      sum += labelled(k);
    }
    return sum;
  }

  /** Share of predictions of a class that are right. */
  public double precision(int k) {
    return ratio(confusion[k][k], predicted(k));
  }

  /** Share of a class's examples that were found. */
  public double recall(int k) {
    return ratio(confusion[k][k], labelled(k));
  }

  /** Harmonic mean of precision and recall. */
  public double f1(int k) {
    return ratio(2 * confusion[k][k], labelled(k) + predicted(k));
  }

  private long labelled(int k) {
    long sum = 0;
    for (long n : confusion[k]) {
      sum += n;
    }
    return sum;
  }

  private long predicted(int k) {
    long sum = 0;
    for (long[] row : confusion) {
      sum += row[k];
    }
    return sum;
  }

  private long right() {
    long sum = 0;
    for (int k = 0; k < names.size(); k++) {
      sum += confusion[k][k];
    }
    return sum;
  }

  private static double ratio(double part, double whole) {
    return whole == 0 ? 0 : part / whole;
  }

  private interface OfClass {
    double value(int k);
  }

  private double macro(OfClass measure) {
    double sum = 0;
    int present = 0;
    for (int k = 0; k < names.size(); k++) {
      if (labelled(k) + predicted(k) > 0) {
        sum += measure.value(k);
        present++;
      }
    }
    return ratio(sum, present);
  }

  private double weighted(OfClass measure) {
    double sum = 0;
    for (int k = 0; k < names.size(); k++) {
      sum += labelled(k) * measure.value(k);
    }
    return ratio(sum, count());
  }

  /** Matthews' correlation coefficient for several classes (Gorodkin, 2004). */
  public double matthewsCorrelation() {
    double n = count();
    double products = 0;
    double labelSquares = 0;
    double predictionSquares = 0;
    for (int k = 0; k < names.size(); k++) {
      double t = labelled(k);
      double p = predicted(k);
      products += t * p;
      labelSquares += t * t;
      predictionSquares += p * p;
    }
    double covariance = right() * n - products;
    double spread = Math.sqrt(n * n - predictionSquares) * Math.sqrt(n * n - labelSquares);
    return ratio(covariance, spread);
  }

  @Override
  public Map<String, Double> values() {
    Map<String, Double> values = new LinkedHashMap<>();
    double accuracy = ratio(right(), count());
    values.put("accuracy", accuracy);
    values.put("f1_macro", macro(this::f1));
    // With one label an example, micro averages all equal the accuracy.
    values.put("f1_micro", accuracy);
    values.put("f1_weighted", weighted(this::f1));
    values.put("precision_macro", macro(this::precision));
    values.put("recall_macro", macro(this::recall));
    values.put("precision_weighted", weighted(this::precision));
    values.put("recall_weighted", weighted(this::recall));
    values.put("mcc", matthewsCorrelation());
    return values;
  }

  @Override
  public void render(PrintStream out) {
    int width = names.stream().mapToInt(String::length).max().orElse(5);
    width = Math.max(5, Math.min(width, 30));
    String row = "  %-" + width + "s  %9s  %9s  %9s  %9s%n";
    out.printf(row, "class", "precision", "recall", "f1", "examples");
    for (int k = 0; k < names.size(); k++) {
      out.printf(
          row,
          names.get(k),
          decimals(precision(k)),
          decimals(recall(k)),
          decimals(f1(k)),
          labelled(k));
    }
  }

  static String decimals(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }
}
