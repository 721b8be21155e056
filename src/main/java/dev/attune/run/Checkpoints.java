package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.memory.Buffer;
import dev.attune.train.CheckpointSink;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** A run's checkpoints: what the trainer saves, with what says whose run it is. */
final class Checkpoints implements CheckpointSink {
  private final CheckpointStore store;
  private final RunIdentity identity;

  Checkpoints(CheckpointStore store, RunIdentity identity) {
    this.store = store;
    this.identity = identity;
  }

  @Override
  public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
    identity.writeTo(state);
    store.save(step, state, buffers);
  }

  @Override
  public void saveBest(Buffer weights) {
    store.saveBest(weights);
  }

  @Override
  public void loadBest(Buffer weights) {
    store.loadBest(weights);
  }

  /**
   * Loads the newest sound checkpoint into the buffers.
   *
   * @param note hears of damaged ones
   * @return its state; empty if there is none
   */
  Optional<JsonNode> loadLatest(Map<String, Buffer> buffers, Consumer<String> note) {
    return store
        .latest(note)
        .map(
            checkpoint -> {
              JsonNode state = checkpoint.state();
              identity.checkSame(state);
              checkpoint.load(buffers);
              return state;
            });
  }

  void clear() {
    store.clear();
  }
}
