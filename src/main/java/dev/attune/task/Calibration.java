package dev.attune.task;

/** Finds what a task decides beyond the model: on validation data, or by training data. */
public interface Calibration extends Reading {
  /** The task with what was found, once the last batch was added and {@link #end} called. */
  Task calibrated();
}
