package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.Check;
import dev.attune.core.Chunk;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.train.CheckpointSink;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/**
 * A run's checkpoints: what the trainer saves, with what says whose run it is.
 *
 * <p>The best weights decide how the run ends, so it goes on without a place for them on the disk
 * only while a copy is in memory. No checkpoint is saved that speaks of best weights which are not
 * beside it: a resume would end with others.
 *
 * <p>On the CPU a large state is saved in the background, from a copy in memory, as large as the
 * state, which is taken beside the first steps: pages that nobody had cost seconds when they are
 * first written. It is filled beside the forward and backward pass of the next step, and what is
 * left then before its update. One save at a time: the next waits for it.
 */
final class Checkpoints implements CheckpointSink, AutoCloseable {
  /** Smaller states are written at once: a copy would spare nothing that is felt. */
  private static final long LEAST_COPIED = 64L << 20;

  /**
   * Of the memory that activations may have: a copy of the state takes it in vain if it is more.
   */
  private static final int SHARE_FOR_COPY = 4;

  private final CheckpointStore store;
  private final RunIdentity identity;
  private final boolean savesLast;
  private final Backend memory;
  private final long leastCopied;
  private final Consumer<String> note;
  private final Queue<String> notedMeanwhile = new ConcurrentLinkedQueue<>();
  private Map<String, Buffer> copies = Map.of(); // empty until needed
  private Background<Map<String, Buffer>> taking; // null: nobody takes memory for them
  private volatile boolean isClosing;
  private PieceCopy copying; // null: nothing needs the buffers of a state any more
  private Background<UncheckedIOException> saving; // null: nothing is saved in the background
  private volatile Thread savingThread; // of the last save in the background
  private long savingStep;
  private Buffer unsavedBest; // null: the best weights, if there are any, are on the disk
  private long bestStep; // whose weights those are

  /**
   * @param folder of the store
   * @param kept checkpoints to keep
   * @param savesLast whether the end of the run is saved too, and what is saved is kept
   * @param memory for copies: of states, and of best weights that cannot be saved
   * @param note hears of those, and of what is damaged; on the thread that calls
   */
  Checkpoints(
      Path folder,
      int kept,
      RunIdentity identity,
      boolean savesLast,
      Backend memory,
      Consumer<String> note) {
    this(folder, kept, identity, savesLast, memory, LEAST_COPIED, note);
  }

  /**
   * The same.
   *
   * @param leastCopied bytes of a state from which it is saved in the background
   */
  Checkpoints(
      Path folder,
      int kept,
      RunIdentity identity,
      boolean savesLast,
      Backend memory,
      long leastCopied,
      Consumer<String> note) {
    this.store = new CheckpointStore(folder, kept, this::noted);
    this.identity = identity;
    this.savesLast = savesLast;
    this.memory = memory;
    this.leastCopied = leastCopied;
    this.note = note;
  }

  private void noted(String text) {
    if (Thread.currentThread() == savingThread) {
      notedMeanwhile.add(text);
    } else {
      note.accept(text);
    }
  }

  @Override
  public boolean savesLast() {
    return savesLast;
  }

  @Override
  public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
    checkSettled();
    if (unsavedBest != null) {
      store.saveBest(bestStep, unsavedBest);
      forgetUnsaved();
    }
    identity.writeTo(state);
    store.save(step, state, buffers);
  }

  @Override
  public void expect(Map<String, Buffer> buffers) {
    if (copies.isEmpty() && taking == null && isCopied(buffers)) {
      Map<String, Long> sizes = new LinkedHashMap<>();
      buffers.forEach((name, buffer) -> sizes.put(name, buffer.sizeBytes()));
      taking = Background.start("attune-checkpoint-memory", () -> taken(sizes));
    }
  }

  /** Whether such a state is saved from a copy of it. */
  private boolean isCopied(Map<String, Buffer> buffers) {
    return copyBytes(buffers, memory, memory.reservableBytes(), leastCopied) > 0;
  }

  /**
   * Memory of the copy from which such a state is saved on a run's way; 0: it is saved without one.
   *
   * @param memory where the buffers are
   * @param reservableBytes that activations may have there
   */
  static long copyBytes(Map<String, Buffer> buffers, Backend memory, long reservableBytes) {
    return copyBytes(buffers, memory, reservableBytes, LEAST_COPIED);
  }

  private static long copyBytes(
      Map<String, Buffer> buffers, Backend memory, long reservableBytes, long leastCopied) {
    long bytes = buffers.values().stream().mapToLong(Buffer::sizeBytes).sum();
    boolean isCopied =
        bytes >= leastCopied && bytes <= reservableBytes / SHARE_FOR_COPY && memory.hasViews();
    return isCopied ? bytes : 0;
  }

  /** Memory whose pages are there; nothing if there is not enough. */
  private Map<String, Buffer> taken(Map<String, Long> sizes) {
    Map<String, Buffer> taken = new LinkedHashMap<>();
    try {
      sizes.forEach((name, bytes) -> taken.put(name, Buffer.allocate(memory, bytes, true)));
    } catch (DeviceMemoryException e) {
      taken.values().forEach(Buffer::close);
      return Map.of();
    }
    taken.values().forEach(this::touch);
    return taken;
  }

  private void touch(Buffer buffer) {
    for (long at = 0; at < buffer.sizeBytes() && !isClosing; at += Chunk.BYTES) {
      ByteBuffer view = buffer.view(at, Math.min(Chunk.BYTES, buffer.sizeBytes() - at));
      for (int page = 0; page < view.capacity(); page += Chunk.ALIGNMENT) {
        view.put(page, (byte) 0);
      }
    }
  }

  @Override
  public boolean begin(
      long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting) {
    checkSettled();
    if (unsavedBest != null || !isCopied(buffers) || !hasCopies(buffers)) {
      return false;
    }
    identity.writeTo(state);
    savingStep = step;
    PieceCopy copy = new PieceCopy();
    buffers.forEach(
        (name, buffer) -> {
          if (fleeting.contains(name)) {
            long to = copies.get(name).address();
            memory.run(new CopyCall(to, buffer.address(), buffer.sizeBytes()));
          } else {
            copy.add(buffer, copies.get(name));
          }
        });
    copying = copy;
    saving =
        Background.start(
            "attune-checkpoint",
            () -> {
              copy.run();
              return saved(step, state);
            });
    return true;
  }

  @Override
  public void release() {
    if (copying != null) {
      copying.help(memory);
      copying = null;
    }
  }

  /** Returns the failure, or null. */
  private UncheckedIOException saved(long step, ObjectNode state) {
    savingThread = Thread.currentThread();
    try {
      store.save(step, state, copies);
      return null;
    } catch (UncheckedIOException e) {
      return e;
    }
  }

  /** Whether there is memory for copies; else it is saved from where it lies, which is slower. */
  private boolean hasCopies(Map<String, Buffer> buffers) {
    if (copies.isEmpty()) {
      expect(buffers);
      copies = taking.joinUninterruptibly();
      taking = null;
    }
    return !copies.isEmpty();
  }

  @Override
  public Optional<Ended> settled(boolean waits) {
    if (saving == null || (!waits && saving.isRunning())) {
      return Optional.empty();
    }
    Background<UncheckedIOException> ended = saving;
    saving = null;
    copying = null;
    UncheckedIOException failure = ended.joinUninterruptibly();
    for (String text = notedMeanwhile.poll(); text != null; text = notedMeanwhile.poll()) {
      note.accept(text);
    }
    return Optional.of(new Ended(savingStep, failure));
  }

  /** The store is for one thread at a time. */
  private void checkSettled() {
    Check.state(saving == null, "a checkpoint is being saved, and nobody asked how that ended");
  }

  @Override
  public void saveBest(long step, Buffer weights) {
    checkSettled();
    bestStep = step;
    try {
      store.saveBest(step, weights);
      forgetUnsaved();
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

  private void forgetUnsaved() {
    if (unsavedBest != null) {
      unsavedBest.close();
      unsavedBest = null;
    }
  }

  /** Waits for what is being saved: the run has failed, and may go on from it. */
  @Override
  public void close() {
    try {
      settled(true);
    } finally {
      forgetUnsaved();
      forgetCopies();
    }
  }

  private void forgetCopies() {
    isClosing = true;
    if (taking != null) {
      copies = taking.joinUninterruptibly();
      taking = null;
    }
    copies.values().forEach(Buffer::close);
    copies = Map.of();
  }
}
