package dev.attune.metrics;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.IntStream;

/**
 * {@link RegressionMetrics} of models with one output or several: of several each is the mean over
 * the outputs, as scikit-learn's {@code uniform_average}. Kappa is of one output alone.
 */
public final class SeveralRegressionMetrics implements Metrics {
  private static final String OF_ONE = "qwk";

  private final List<RegressionMetrics> outputs;

  /**
   * @param count K
   */
  public SeveralRegressionMetrics(int count) {
    this.outputs = IntStream.range(0, count).mapToObj(k -> new RegressionMetrics()).toList();
  }

  /** Adds what one output predicted. */
  public void add(int output, double label, double prediction) {
    outputs.get(output).add(label, prediction);
  }

  @Override
  public long count() {
    return outputs.get(0).count();
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    LinkedHashMap<String, Double> means = new LinkedHashMap<>();
    for (RegressionMetrics each : outputs) {
      each.values()
          .forEach((name, value) -> means.merge(name, value / outputs.size(), Double::sum));
    }
    if (outputs.size() > 1) {
      means.remove(OF_ONE);
    }
    return means;
  }
}
