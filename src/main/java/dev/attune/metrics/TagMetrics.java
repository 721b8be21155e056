package dev.attune.metrics;

/** What is measured of tagged words: entities where the tags mark them, else tag by tag. */
public interface TagMetrics extends Metrics {
  /** Counts one sequence of tag ids. */
  void add(int[] labels, int[] predictions);
}
