package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.Chunk;
import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.train.CheckpointSink;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A run's checkpoints: what the trainer saves, with what says whose run it is.
 *
 * <p>The best weights decide how the run ends, so it goes on without a place for them on the disk
 * only while a copy is in memory. No checkpoint is saved that speaks of best weights which are not
 * beside it: a resume would end with others.
 */
final class Checkpoints implements CheckpointSink, AutoCloseable {
  private final CheckpointStore store;
  private final RunIdentity identity;
  private final boolean savesLast;
  private final Allocator memory;
  private final Consumer<String> note;
  private Buffer unsavedBest; // null: the best weights, if there are any, are on the disk
  private long bestStep; // whose weights those are

  /**
   * @param savesLast whether the end of the run is saved too, and what is saved is kept
   * @param memory for a copy of best weights that cannot be saved
   * @param note hears of those
   */
  Checkpoints(
      CheckpointStore store,
      RunIdentity identity,
      boolean savesLast,
      Allocator memory,
      Consumer<String> note) {
    this.store = store;
    this.identity = identity;
    this.savesLast = savesLast;
    this.memory = memory;
    this.note = note;
  }

  @Override
  public boolean savesLast() {
    return savesLast;
  }

  @Override
  public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
    if (unsavedBest != null) {
      store.saveBest(bestStep, unsavedBest);
      close();
    }
    identity.writeTo(state);
    store.save(step, state, buffers);
  }

  @Override
  public void saveBest(long step, Buffer weights) {
    bestStep = step;
    try {
      store.saveBest(step, weights);
      close();
    } catch (UncheckedIOException e) {
      keep(weights, e);
      note.accept(
          "the best weights so far could not be saved and are kept in memory: " + e.getMessage());
    }
  }

  private void keep(Buffer weights, UncheckedIOException failure) {
    if (unsavedBest == null) {
      try {
        unsavedBest = Buffer.allocate(memory, weights.sizeBytes(), false);
      } catch (DeviceMemoryException e) {
        failure.addSuppressed(e);
        throw failure;
      }
    }
    copy(weights, unsavedBest);
  }

  private static void copy(Buffer from, Buffer to) {
    try (Chunk lent = Chunk.borrow()) {
      ByteBuffer chunk = lent.bytes();
      for (long at = 0; at < from.sizeBytes(); at += Chunk.BYTES) {
        from.read(at, chunk.clear().limit((int) Math.min(Chunk.BYTES, from.sizeBytes() - at)));
        to.write(at, chunk.flip());
      }
    }
  }

  @Override
  public boolean loadBest(Buffer weights) {
    if (unsavedBest != null) {
      copy(unsavedBest, weights);
      return true;
    }
    boolean loaded = store.loadBest(weights);
    if (!loaded) {
      note.accept(
          "the best weights, of step " + bestStep + ", are lost: the run ends with its last ones");
    }
    return loaded;
  }

  /**
   * What a run goes on from.
   *
   * @param state of its checkpoint
   * @param lacksBest whether the best weights that it speaks of are lost
   */
  record Resumed(JsonNode state, boolean lacksBest) {}

  /**
   * Loads the newest sound checkpoint into the buffers.
   *
   * @param batchesPerEpoch of the training data
   * @return empty if there is none
   */
  Optional<Resumed> loadLatest(Map<String, Buffer> buffers, long batchesPerEpoch) {
    return store
        .latest()
        .map(
            found -> {
              JsonNode state = found.checkpoint().state();
              identity.checkSame(state);
              identity.checkLength(state, batchesPerEpoch, note);
              found.checkpoint().load(buffers);
              bestStep = found.checkpoint().bestStep();
              return new Resumed(state, found.lacksBest());
            });
  }

  /** Removes them all, unless they are to be kept: they have served their purpose. */
  void end() {
    if (!savesLast) {
      try {
        store.clear();
      } catch (UncheckedIOException e) {
        note.accept(e.getMessage()); // the model is safe
      }
    }
  }

  @Override
  public void close() {
    if (unsavedBest != null) {
      unsavedBest.close();
      unsavedBest = null;
    }
  }
}
