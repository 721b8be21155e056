package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;

/** Perplexity and accuracy of next-token predictions, over every learned token. */
public final class NextTokenMetrics implements Metrics {
  private double loss;
  private long tokens;
  private long right;

  /**
   * Adds a batch.
   *
   * @param lossSum of its tokens, in nats
   * @param count its learned tokens
   * @param rightCount how many of them were the most probable ones
   */
  public void add(double lossSum, long count, long rightCount) {
    loss += lossSum;
    tokens += count;
    right += rightCount;
  }

  @Override
  public long count() {
    return tokens;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(tokens > 0, "nothing was seen");
    LinkedHashMap<String, Double> values = new LinkedHashMap<>();
    values.put("perplexity", Math.exp(loss / tokens));
    values.put("token_accuracy", (double) right / tokens);
    return values;
  }
}
