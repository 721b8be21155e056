package dev.attune.metrics;

import java.util.LinkedHashMap;

/**
 * Tags that mark no entities, as parts of speech: every word is one classification.
 *
 * @param words counts of them
 */
public record PlainTagMetrics(ClassificationMetrics words) implements TagMetrics {
  @Override
  public void add(int[] labels, int[] predictions) {
    for (int i = 0; i < labels.length; i++) {
      words.add(labels[i], predictions[i]);
    }
  }

  @Override
  public long count() {
    return words.count();
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    return words.values();
  }

  @Override
  public String table(int columns) {
    return words.table(columns);
  }
}
