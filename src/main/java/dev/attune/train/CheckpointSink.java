package dev.attune.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.memory.Buffer;
import java.util.Map;

/** Where a trainer's checkpoints go. */
public interface CheckpointSink {
  /**
   * Saves a state that a run can resume from; returns when it is safe.
   *
   * @throws java.io.UncheckedIOException if it could not be saved; earlier ones are whole
   */
  void save(long step, ObjectNode state, Map<String, Buffer> buffers);

  /** Whether the end of a run is saved too, for it to be continued. */
  default boolean savesLast() {
    return false;
  }

  /** Saves the weights of a step as the best so far, in place of earlier ones. */
  void saveBest(long step, Buffer weights);

  /**
   * Loads what {@link #saveBest} saved last.
   *
   * @return false if that is lost, and the weights are as they were
   */
  boolean loadBest(Buffer weights);
}
