package dev.attune.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.memory.Buffer;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Where a trainer's checkpoints go. */
public interface CheckpointSink {
  /**
   * Saves a state that a run can resume from; returns when it is safe.
   *
   * @throws java.io.UncheckedIOException if it could not be saved; earlier ones are whole
   */
  void save(long step, ObjectNode state, Map<String, Buffer> buffers);

  /**
   * How a save in the background ended.
   *
   * @param step whose state it is
   * @param failure null: it is safe
   */
  record Ended(long step, UncheckedIOException failure) {}

  /**
   * Tells that {@link #begin} will be asked for these buffers, so that what it needs can be taken
   * while the run goes on.
   */
  default void expect(Map<String, Buffer> buffers) {}

  /**
   * Begins to save a state in the background, of which a copy is made: the run may go on, and reads
   * the buffers. What was begun before must be settled.
   *
   * @param fleeting names of buffers that may be changed once this returns; the others may once
   *     {@link #release} does
   * @return false: it is not begun, and {@link #save} is to be asked
   */
  boolean begin(long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting);

  /** Returns once all buffers of what was begun may be changed. */
  default void release() {}

  /**
   * Tells, once, how what was begun has ended.
   *
   * @param waits whether to wait for its end
   * @return empty: nothing was begun, or it goes on
   */
  Optional<Ended> settled(boolean waits);

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
