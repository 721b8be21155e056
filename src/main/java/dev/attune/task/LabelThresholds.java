package dev.attune.task;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Finds the threshold of each label at which its F1 is highest. */
final class LabelThresholds {
  private record Scored(double score, boolean holds) {}

  private final List<List<Scored>> byLabel = new ArrayList<>();

  LabelThresholds(int labels) {
    for (int k = 0; k < labels; k++) {
      byLabel.add(new ArrayList<>());
    }
  }

  /**
   * @param gold whether each label holds (K)
   * @param scores its probability (K)
   */
  void add(boolean[] gold, double[] scores) {
    for (int k = 0; k < scores.length; k++) {
      byLabel.get(k).add(new Scored(scores[k], gold[k]));
    }
  }

  /**
   * The thresholds (K): half-way between two neighbouring probabilities, of equally good ones the
   * nearest to {@link MultiLabelClassification#THRESHOLD}, which stays where no row has the label.
   */
  double[] best() {
    return byLabel.stream().mapToDouble(LabelThresholds::best).toArray();
  }

  private static double best(List<Scored> rows) {
    List<Scored> sorted =
        rows.stream().sorted(Comparator.comparingDouble(Scored::score).reversed()).toList();
    long positives = rows.stream().filter(Scored::holds).count();
    double best = MultiLabelClassification.THRESHOLD;
    double bestF1 = f1(rows, best, positives);
    int right = 0;
    for (int given = 1; given < sorted.size(); given++) {
      right += sorted.get(given - 1).holds() ? 1 : 0;
      double above = sorted.get(given - 1).score();
      double below = sorted.get(given).score();
      if (above > below) {
        double threshold = (above + below) / 2;
        double f1 = 2.0 * right / (given + positives);
        boolean isNearer =
            Math.abs(threshold - MultiLabelClassification.THRESHOLD)
                < Math.abs(best - MultiLabelClassification.THRESHOLD);
        if (f1 > bestF1 || f1 == bestF1 && isNearer) {
          best = threshold;
          bestF1 = f1;
        }
      }
    }
    return best;
  }

  private static double f1(List<Scored> rows, double threshold, long positives) {
    long given = rows.stream().filter(row -> row.score() >= threshold).count();
    long right = rows.stream().filter(row -> row.holds() && row.score() >= threshold).count();
    return given + positives == 0 ? 0 : 2.0 * right / (given + positives);
  }
}
