package dev.attune.task;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** What a model says of one row; each task has its own kind. */
public interface Prediction {
  /** Adds its fields to a row of output. */
  void write(ObjectNode row);
}
