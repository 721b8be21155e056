package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.stream.IntStream;

/**
 * Errors and correlations of predicted numbers. The correlations are NaN when either side is
 * constant. Keeps the values, 16 bytes a row, because ranks need them all.
 *
 * <p>Where every label is a whole number, as grades are, there is {@code qwk} too: Cohen's kappa
 * with quadratic weights between labels and predictions that are rounded to whole numbers, halves
 * to even ones, as {@code numpy.rint} does. A prediction beyond the scale stays there, for the
 * scale is not known. NaN where both sides are one and the same number.
 */
public final class RegressionMetrics implements Metrics {
  private final Moments moments = new Moments();
  private final Moments grades = new Moments();
  private boolean labelsAreWhole = true;
  private double squaredError;
  private double absoluteError;
  private double[] labels = new double[64];
  private double[] predictions = new double[64];
  private int count;

  /** Adds one prediction. */
  public void add(double label, double prediction) {
    if (count == labels.length) {
      reserve(count + 1);
    }
    labels[count] = label;
    predictions[count] = prediction;
    count++;
    double error = prediction - label;
    squaredError += error * error;
    absoluteError += Math.abs(error);
    moments.add(label, prediction);
    grades.add(label, Math.rint(prediction));
    labelsAreWhole &= label == Math.rint(label);
  }

  /** Adds what another accumulator has seen. */
  public void merge(RegressionMetrics other) {
    int added = other.count;
    reserve(Math.addExact(count, added));
    System.arraycopy(other.labels, 0, labels, count, added);
    System.arraycopy(other.predictions, 0, predictions, count, added);
    moments.merge(other.moments);
    grades.merge(other.grades);
    labelsAreWhole &= other.labelsAreWhole;
    count += added;
    squaredError += other.squaredError;
    absoluteError += other.absoluteError;
  }

  private void reserve(int needed) {
    if (needed > labels.length) {
      int grown = (int) Math.min(Integer.MAX_VALUE - 8, Math.max(needed, labels.length * 2L));
      labels = Arrays.copyOf(labels, grown);
      predictions = Arrays.copyOf(predictions, grown);
    }
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no predictions were counted");
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("mse", squaredError / count);
    out.put("mae", absoluteError / count);
    out.put("pearson", moments.correlation());
    out.put("spearman", spearman());
    if (labelsAreWhole) {
      out.put("qwk", grades.quadraticWeightedKappa());
    }
    return out;
  }

  /** Whether all labels are one number: no prediction correlates with them. NaN shows in values. */
  boolean hasConstantLabels() {
    return moments.squaresX == 0 && !Double.isNaN(squaredError);
  }

  private double spearman() {
    if (Double.isNaN(moments.correlation())) { // constant, or NaN among the values
      return Double.NaN;
    }
    double[] labelRanks = ranks(labels);
    double[] predictionRanks = ranks(predictions);
    Moments ranks = new Moments();
    for (int i = 0; i < count; i++) {
      ranks.add(labelRanks[i], predictionRanks[i]);
    }
    return ranks.correlation();
  }

  /** Ranks from 1; equal values share the mean of their ranks. */
  private double[] ranks(double[] values) {
    int[] order =
        IntStream.range(0, count)
            .boxed()
            .sorted((a, b) -> Double.compare(values[a] + 0.0, values[b] + 0.0)) // -0 equals 0
            .mapToInt(Integer::intValue)
            .toArray();
    double[] ranks = new double[count];
    int start = 0;
    while (start < count) {
      int end = start + 1;
      while (end < count && values[order[end]] == values[order[start]]) {
        end++;
      }
      for (int i = start; i < end; i++) {
        ranks[order[i]] = (start + 1 + end) / 2.0;
      }
      start = end;
    }
    return ranks;
  }

  /** Means and centred second moments of pairs, updated as Welford does and merged as Chan does. */
  private static final class Moments {
    private double count;
    private double meanX;
    private double meanY;
    private double squaresX;
    private double squaresY;
    private double products;

    void add(double x, double y) {
      count++;
      double dx = x - meanX;
      double dy = y - meanY;
      meanX += dx / count;
      meanY += dy / count;
      squaresX += dx * (x - meanX);
      squaresY += dy * (y - meanY);
      products += dx * (y - meanY);
    }

    void merge(Moments other) {
      double total = count + other.count;
      if (total == 0) {
        return;
      }
      double dx = other.meanX - meanX;
      double dy = other.meanY - meanY;
      double weight = count * other.count / total;
      squaresX += other.squaresX + dx * dx * weight;
      squaresY += other.squaresY + dy * dy * weight;
      products += other.products + dx * dy * weight;
      meanX += dx * other.count / total;
      meanY += dy * other.count / total;
      count = total;
    }

    /**
     * 1 minus the squared difference within the pairs over that of every x with every y, which is
     * scikit-learn's table of all grades in closed form. NaN where both sides are one number.
     */
    double quadraticWeightedKappa() {
      double chance = squaresX + squaresY + count * (meanX - meanY) * (meanX - meanY);
      return 2 * products / chance; // the pairs' own differences are chance less twice the products
    }

    /** NaN when either side is constant, or any value is NaN. */
    double correlation() {
      double out = products / (Math.sqrt(squaresX) * Math.sqrt(squaresY));
      return Math.max(-1, Math.min(1, out)); // rounding may leave the range; NaN stays NaN
    }
  }
}
