package dev.attune.metrics;

import java.util.LinkedHashMap;

/** Something that has seen predictions and can score them. Not safe for use by several threads. */
public interface Metrics {
  /** Number of predictions seen: rows, or tokens where tokens are labelled. */
  long count();

  /**
   * The scores by name, in the order in which they are shown: fractions from 0 to 1, BLEU, chrF and
   * those of {@link AnswerMetrics} from 0 to 100, correlations from -1 to 1, errors in the unit of
   * the label; NaN where undefined.
   *
   * @throws IllegalStateException when nothing was seen
   */
  LinkedHashMap<String, Double> values();

  /**
   * A table for people, one row a class or entity type; empty where there are none.
   *
   * @param columns characters of a line at most; what is narrower than 40 is not heeded
   */
  default String table(int columns) {
    return "";
  }
}
