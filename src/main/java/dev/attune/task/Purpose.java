package dev.attune.task;

/** What rows are encoded for. */
public enum Purpose {
  /** Learning: targets are needed. */
  TRAINING,
  /** Measuring: targets are needed, and what metrics compare. */
  EVALUATION,
  /** Predicting: there are no targets. */
  PREDICTION
}
