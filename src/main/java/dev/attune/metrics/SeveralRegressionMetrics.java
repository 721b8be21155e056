package dev.attune.metrics;

import java.util.DoubleSummaryStatistics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * {@link RegressionMetrics} of models with one output or several: of several each is the mean over
 * the outputs, as scikit-learn's {@code uniform_average}. Kappa is of one output alone.
 *
 * <p>An output whose labels never vary has no correlation, whatever is predicted: the mean is over
 * the others. Where the predictions of one do not vary though its labels do, the mean is NaN: over
 * fewer outputs than at another time it would not be comparable.
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
    if (outputs.size() == 1) {
      return outputs.get(0).values();
    }
    Map<String, DoubleSummaryStatistics> known = new LinkedHashMap<>();
    for (RegressionMetrics each : outputs) {
      each.values()
          .forEach(
              (name, value) -> {
                DoubleSummaryStatistics of =
                    known.computeIfAbsent(name, n -> new DoubleSummaryStatistics());
                if (!(Double.isNaN(value) && each.hasConstantLabels())) {
                  of.accept(value);
                }
              });
    }
    known.remove(OF_ONE);
    LinkedHashMap<String, Double> means = new LinkedHashMap<>();
    known.forEach((name, of) -> means.put(name, of.getSum() / of.getCount()));
    return means;
  }
}
