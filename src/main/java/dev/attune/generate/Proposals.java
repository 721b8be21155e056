package dev.attune.generate;

import java.util.Arrays;
import java.util.List;

/**
 * Decides how many tokens each text of a pass proposes: as many as let the most tokens a second be
 * expected, of what was right lately and of what passes of so many rows took. None where plain
 * passes are the fastest.
 */
final class Proposals {
  /** Less gain than that is an error of the estimates. */
  private static final double LEAST_GAIN = 1.01;

  private final PassTimes times;

  Proposals(PassTimes times) {
    this.times = times;
  }

  /**
   * Counts the proposals of each text.
   *
   * @param lookups of the texts; null: of one that proposes nothing
   * @param most that each may propose
   * @param rows of the pass at most, one of each text included
   * @param counts receives them
   */
  void count(List<PromptLookup> lookups, int[] most, int rows, int[] counts) {
    int texts = lookups.size();
    Arrays.fill(counts, 0, texts, 0);
    int[] order = new int[Math.max(0, rows - texts)]; // whose turn it was to propose one more
    double expected = texts;
    double bestRate = LEAST_GAIN * texts / times.of(texts);
    int best = 0;
    for (int extra = 1; extra <= order.length; extra++) {
      int next = -1;
      double gain = 0;
      for (int i = 0; i < texts; i++) {
        double trust = counts[i] < most[i] ? lookups.get(i).trust(counts[i] + 1) : 0;
        if (trust > gain) {
          gain = trust;
          next = i;
        }
      }
      if (next < 0) {
        break;
      }
      order[extra - 1] = next;
      counts[next]++;
      expected += gain;
      double rate = expected / times.of(texts + extra);
      if (rate > bestRate) {
        bestRate = rate;
        best = extra;
      }
    }
    Arrays.fill(counts, 0, texts, 0);
    for (int extra = 0; extra < best; extra++) {
      counts[order[extra]]++;
    }
  }
}
