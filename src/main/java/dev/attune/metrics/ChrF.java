package dev.attune.metrics;

import java.util.HashMap;
import java.util.Map;

/**
 * chrF2 of a corpus (Popović 2015) as sacreBLEU computes it: runs of up to six characters without
 * white space, recall weighing twice as much as precision.
 */
final class ChrF {
  private static final int ORDERS = 6;
  private static final double BETA_SQUARED = 4;

  private final long[] predicted = new long[ORDERS];
  private final long[] expected = new long[ORDERS];
  private final long[] shared = new long[ORDERS];

  void add(String prediction, String reference) {
    int[] characters = characters(prediction);
    int[] wanted = characters(reference);
    for (int n = 1; n <= ORDERS; n++) {
      Map<String, Integer> runs = runs(characters, n);
      Map<String, Integer> wantedRuns = runs(wanted, n);
      // As there: a prediction has no runs of a length that the reference is too short for.
      predicted[n - 1] += wantedRuns.isEmpty() ? 0 : Math.max(0, characters.length - n + 1);
      expected[n - 1] += Math.max(0, wanted.length - n + 1);
      shared[n - 1] += Words.shared(runs, wantedRuns);
    }
  }

  void merge(ChrF other) {
    for (int n = 0; n < ORDERS; n++) {
      predicted[n] += other.predicted[n];
      expected[n] += other.expected[n];
      shared[n] += other.shared[n];
    }
  }

  /** 0 to 100. */
  double score() {
    double precision = 0;
    double recall = 0;
    int orders = 0;
    for (int n = 0; n < ORDERS; n++) {
      if (predicted[n] > 0 && expected[n] > 0) {
        precision += (double) shared[n] / predicted[n];
        recall += (double) shared[n] / expected[n];
        orders++;
      }
    }
    if (precision + recall == 0) {
      return 0;
    }
    precision /= orders;
    recall /= orders;
    return 100 * (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall);
  }

  private static int[] characters(String text) {
    return String.join("", Words.split(text)).codePoints().toArray();
  }

  private static Map<String, Integer> runs(int[] characters, int order) {
    Map<String, Integer> out = new HashMap<>();
    for (int i = 0; i + order <= characters.length; i++) {
      out.merge(new String(characters, i, order), 1, Integer::sum);
    }
    return out;
  }
}
