package dev.attune.task;

import dev.attune.batch.Batch;

/** Hears what a model made of batch after batch. */
public interface Reading {
  /** The next batch with its outputs, valid during the call. */
  void add(Batch batch, ModelOutput output);

  /** No batch follows. */
  default void end() {}
}
