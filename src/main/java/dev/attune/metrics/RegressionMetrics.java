package dev.attune.metrics;

import java.io.PrintStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Mean squared and absolute error, Pearson's and Spearman's correlation. Moments are updated as in
 * Welford (1962), so that large offsets do no harm.
 */
public final class RegressionMetrics implements Metrics {
  private long count;
  private double squaredError;
  private double absoluteError;
  private double meanTarget;
  private double meanPrediction;
  private double targetSpread;
  private double predictionSpread;
  private double covariance;
  // Ranks need every value.
  private double[] targets = new double[64];
  private double[] predictions = new double[64];

  /** Counts a prediction. */
  public void add(double target, double prediction) {
    if (count == targets.length) {
      targets = Arrays.copyOf(targets, targets.length * 2);
      predictions = Arrays.copyOf(predictions, predictions.length * 2);
    }
    targets[(int) count] = target;
    predictions[(int) count] = prediction;
    count++;
    double error = prediction - target;
    squaredError += error * error;
    absoluteError += Math.abs(error);
    double dt = target - meanTarget;
    double dp = prediction - meanPrediction;
    meanTarget += dt / count;
    meanPrediction += dp / count;
    targetSpread += dt * (target - meanTarget);
    predictionSpread += dp * (prediction - meanPrediction);
    covariance += dt * (prediction - meanPrediction);
  }

  /** Adds the values of another. */
  public void merge(RegressionMetrics other) {
    for (int i = 0; i < other.count; i++) {
      add(other.targets[i], other.predictions[i]);
    }
  }

  /** Pearson's correlation; 0 where either side is constant. */
  public double pearson() {
    double spread = Math.sqrt(targetSpread) * Math.sqrt(predictionSpread);
    return spread == 0 ? 0 : covariance / spread;
  }

  /** Spearman's correlation: Pearson's of the ranks, equal values sharing their mean rank. */
  public double spearman() {
    double[] a = ranks(Arrays.copyOf(targets, (int) count));
    double[] b = ranks(Arrays.copyOf(predictions, (int) count));
    RegressionMetrics ofRanks = new RegressionMetrics();
    for (int i = 0; i < a.length; i++) {
      ofRanks.add(a[i], b[i]);
    }
    return ofRanks.pearson();
  }

  private static double[] ranks(double[] values) {
    int[] order =
        IntStream.range(0, values.length)
            .boxed()
            .sorted((i, j) -> Double.compare(values[i], values[j]))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] ranks = new double[values.length];
    for (int begin = 0; begin < order.length; ) {
      int end = begin + 1;
      while (end < order.length && values[order[end]] == values[order[begin]]) {
        end++;
      }
      for (int i = begin; i < end; i++) {
        ranks[order[i]] = (begin + end + 1) / 2.0;
      }
      begin = end;
    }
    return ranks;
  }

  @Override
  public Map<String, Double> values() {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("pearson", pearson());
    values.put("spearman", spearman());
    values.put("mse", count == 0 ? 0 : squaredError / count);
    values.put("mae", count == 0 ? 0 : absoluteError / count);
    return values;
  }

  @Override
  public void render(PrintStream out) {
    values().forEach((name, value) -> out.printf("  %-9s %s%n", name, decimals(value)));
  }

  private static String decimals(double value) {
    return ClassificationMetrics.decimals(value);
  }
}
