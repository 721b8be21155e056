package dev.attune.task;

/** Finds decisions on validation data. */
public interface Calibration extends Reading {
  /** The task with the decisions found, once the last batch was added and {@link #end} called. */
  Task calibrated();
}
