package dev.attune.metrics;

import java.io.PrintStream;
import java.util.*;

public final class ClassificationMetrics implements Metrics {
  private final List<String> labels;
  private long right, all;

  public ClassificationMetrics(List<String> labels) {
    this.labels = labels;
  }

  public void add(int gold, int predicted) {
    all++;
    if (gold == predicted) right++;
  }

  @Override
  public Map<String, Double> values() {
    Map<String, Double> m = new LinkedHashMap<>();
    m.put("accuracy", (double) right / all);
    return m;
  }

  @Override
  public void render(PrintStream out) {
    out.println(labels);
  }
}
