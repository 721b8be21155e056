package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * What a model has come to think of pairs of answers, under TRL's names: the mean reward of the
 * better answers and of the others, the share of pairs in which the better one has the higher
 * reward, and the mean difference. A reward is how much more probable an answer has become, as a
 * logarithm, times beta.
 */
public final class PreferenceMetrics implements Metrics {
  /** The names of the values, in their order. */
  public static final List<String> NAMES =
      List.of("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins");

  private final double[] sums = new double[NAMES.size()];
  private long count;

  /** The values of one pair. */
  public static double[] of(double chosen, double rejected) {
    return new double[] {chosen, rejected, chosen > rejected ? 1 : 0, chosen - rejected};
  }

  /** Adds a pair by its {@link #of values}. */
  public void add(double... values) {
    Check.argument(values.length == sums.length, "%d values of a pair", values.length);
    for (int i = 0; i < sums.length; i++) {
      sums[i] += values[i];
    }
    count++;
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no pairs were counted");
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    for (int i = 0; i < sums.length; i++) {
      out.put(NAMES.get(i), sums[i] / count);
    }
    return out;
  }
}
