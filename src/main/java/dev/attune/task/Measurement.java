package dev.attune.task;

import dev.attune.metrics.Metrics;

/** Scores what a model made of a dataset. */
public interface Measurement extends Reading {
  /** What was measured, once the last batch was added and {@link #end} called. */
  Metrics metrics();
}
