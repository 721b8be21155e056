package dev.attune.metrics;

import java.io.PrintStream;
import java.util.Map;

/** What was measured over the predictions added so far. */
public interface Metrics {
  /** The values by name, the most telling first. */
  Map<String, Double> values();

  /** Prints a table for people: one row a class, where there are classes. */
  void render(PrintStream out);
}
