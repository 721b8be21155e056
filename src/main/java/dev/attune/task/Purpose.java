package dev.attune.task;

/** What rows are encoded for. */
public enum Purpose {
  /** Learning: targets are needed. */
  TRAINING,
  /** What stands on the model's outputs, such as a head: targets are needed. */
  FITTING,
  /** Measuring: targets are needed, and what metrics compare. */
  EVALUATION,
  /** Predicting: there are no targets. */
  PREDICTION
}
