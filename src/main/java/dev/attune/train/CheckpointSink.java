package dev.attune.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.memory.Buffer;
import java.util.Map;

/** Where a trainer's checkpoints go. */
public interface CheckpointSink {
  /** Saves a state that a run can resume from; returns when it is safe. */
  void save(long step, ObjectNode state, Map<String, Buffer> buffers);

  /** Saves the weights as the best so far, in place of earlier ones. */
  void saveBest(Buffer weights);

  /** Loads what {@link #saveBest} saved. */
  void loadBest(Buffer weights);
}
