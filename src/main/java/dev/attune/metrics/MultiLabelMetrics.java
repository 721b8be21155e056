package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Several labels a row, or none: O(K) counts for {@code K} labels. Every value is that of
 * scikit-learn, a quotient without denominator counting as 0; so {@code f1_samples} gives nothing
 * for a row that has no labels and rightly gets none, which {@code subset_accuracy} counts.
 */
public final class MultiLabelMetrics implements Metrics {
  private final List<String> names;
  private final long[] correct; // (K)
  private final long[] labelled; // (K)
  private final long[] predicted; // (K)
  private long count;
  private long exact;
  private double samplesF1;
  private double ranking;

  /** For the labels of these names, in the order of their ids. */
  public MultiLabelMetrics(List<String> names) {
    Check.argument(!names.isEmpty(), "there must be at least one label");
    this.names = List.copyOf(names);
    this.correct = new long[names.size()];
    this.labelled = new long[names.size()];
    this.predicted = new long[names.size()];
  }

  /**
   * Counts one row.
   *
   * @param labels whether it has each label (K)
   * @param predictions whether each was predicted (K)
   * @param scores by which labels are ranked (K)
   */
  public void add(boolean[] labels, boolean[] predictions, double[] scores) {
    int K = names.size();
    Check.argument(
        labels.length == K && predictions.length == K && scores.length == K,
        "%d labels, %d predictions, %d scores: there are %d labels",
        labels.length,
        predictions.length,
        scores.length,
        K);
    count++;
    int own = 0;
    int given = 0;
    int right = 0;
    for (int k = 0; k < K; k++) {
      own += labels[k] ? 1 : 0;
      given += predictions[k] ? 1 : 0;
      right += labels[k] && predictions[k] ? 1 : 0;
      labelled[k] += labels[k] ? 1 : 0;
      predicted[k] += predictions[k] ? 1 : 0;
      correct[k] += labels[k] && predictions[k] ? 1 : 0;
    }
    exact += right == own && right == given ? 1 : 0;
    samplesF1 += ClassificationMetrics.ratio(2L * right, own + given);
    ranking += own == 0 || own == K ? 1 : rankingPrecision(labels, scores, own);
  }

  /** Of each label of the row, what share of those ranked as high are labels of the row too. */
  private static double rankingPrecision(boolean[] labels, double[] scores, int own) {
    double sum = 0;
    for (int k = 0; k < labels.length; k++) {
      if (labels[k]) {
        int rank = 0;
        int ownRank = 0;
        for (int other = 0; other < labels.length; other++) {
          if (scores[other] >= scores[k]) {
            rank++;
            ownRank += labels[other] ? 1 : 0;
          }
        }
        sum += (double) ownRank / rank;
      }
    }
    return sum / own;
  }

  @Override
  public long count() {
    return count;
  }

  /** The fraction of the predictions of label {@code k} that are right. */
  public double precision(int k) {
    return ClassificationMetrics.ratio(correct[k], predicted[k]);
  }

  /** The fraction of the rows with label {@code k} that are found. */
  public double recall(int k) {
    return ClassificationMetrics.ratio(correct[k], labelled[k]);
  }

  /** The harmonic mean of precision and recall of label {@code k}. */
  public double f1(int k) {
    return ClassificationMetrics.ratio(2 * correct[k], labelled[k] + predicted[k]);
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no predictions were counted");
    int K = names.size();
    long right = 0;
    long given = 0;
    long own = 0;
    double f1 = 0;
    double precision = 0;
    double recall = 0;
    double weighted = 0;
    for (int k = 0; k < K; k++) {
      right += correct[k];
      given += predicted[k];
      own += labelled[k];
      f1 += f1(k);
      precision += precision(k);
      recall += recall(k);
      weighted += f1(k) * labelled[k];
    }
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("f1_micro", ClassificationMetrics.ratio(2 * right, own + given));
    out.put("f1_macro", f1 / K);
    out.put("f1_samples", samplesF1 / count);
    out.put("f1_weighted", own == 0 ? 0 : weighted / own);
    out.put("precision_micro", ClassificationMetrics.ratio(right, given));
    out.put("recall_micro", ClassificationMetrics.ratio(right, own));
    out.put("precision_macro", precision / K);
    out.put("recall_macro", recall / K);
    out.put("subset_accuracy", (double) exact / count);
    out.put("lrap", ranking / count);
    return out;
  }

  /** A table of precision, recall, F1 and support, one label a line. */
  @Override
  public String table(int columns) {
    return ClassTable.render(
        names, k -> new double[] {precision(k), recall(k), f1(k)}, k -> labelled[k], columns);
  }
}
