package dev.attune.metrics;

import java.io.PrintStream;
import java.util.*;

public final class SequenceLabelMetrics implements Metrics {
  public SequenceLabelMetrics() {}

  public SequenceLabelMetrics(List<String> labels) {}

  public void add(double gold, double predicted) {}

  public void add(int[] gold, int[] predicted) {}

  @Override
  public Map<String, Double> values() {
    return new LinkedHashMap<>();
  }

  @Override
  public void render(PrintStream out) {}
}
