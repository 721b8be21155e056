package dev.attune.metrics;

import java.io.PrintStream;
import java.util.Map;

public interface Metrics {
  Map<String, Double> values();

  void render(PrintStream out);
}
