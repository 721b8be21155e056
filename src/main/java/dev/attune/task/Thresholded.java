package dev.attune.task;

import dev.attune.core.InputException;
import java.util.Map;

/** A task that gives a label where its probability reaches the label's threshold. */
public interface Thresholded {
  /** From which probability on each label is given, in the order of their ids; not modifiable. */
  Map<String, Double> thresholds();

  /**
   * The task with other thresholds, from 0 to 1.
   *
   * @param all of the labels that {@code some} does not name; null: as they are
   * @param some of labels by name
   * @throws InputException if one is out of range, or of no label
   */
  Task withThresholds(Double all, Map<String, Double> some);
}
