package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;

/**
 * Perplexity, the exponential of the mean loss of a target, and the share of targets that were the
 * most likely token. Every target counts alike, whatever the length of its sequence.
 */
public final class NextTokenMetrics implements Metrics {
  private double lossSum;
  private long correct;
  private long count;

  /**
   * Adds a batch.
   *
   * @param lossOfTargets sum of the natural-log losses of its targets
   * @param targets labels that are not ignored
   * @param right targets that were the most likely token
   */
  public void add(double lossOfTargets, long targets, long right) {
    Check.argument(
        targets >= 0 && right >= 0 && right <= targets, "%d of %d targets right", right, targets);
    lossSum += lossOfTargets;
    count += targets;
    correct += right;
  }

  /** Adds what another accumulator has seen. */
  public void merge(NextTokenMetrics other) {
    lossSum += other.lossSum;
    correct += other.correct;
    count += other.count;
  }

  @Override
  public long count() {
    return count;
  }

  /** Infinite where the mean loss is too large for a double. */
  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no targets were counted");
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("perplexity", Math.exp(lossSum / count));
    out.put("accuracy", (double) correct / count);
    return out;
  }
}
