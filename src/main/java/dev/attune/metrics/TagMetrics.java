package dev.attune.metrics;

import java.util.List;

/** What is measured of tagged words: entities where the tags mark them, else tag by tag. */
public interface TagMetrics extends Metrics {
  /** Counts one sequence of tag ids. */
  void add(int[] labels, int[] predictions);

  /** For these tags, in the order of their ids. */
  static TagMetrics of(List<String> tags) {
    return SequenceLabelMetrics.areOfEntities(tags)
        ? new SequenceLabelMetrics(tags)
        : new PlainTagMetrics(new ClassificationMetrics(tags));
  }
}
