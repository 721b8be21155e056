package dev.attune.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.memory.Buffer;
import dev.attune.train.StepPhases.Phase;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Set;

/** The saving of a run's states, where it can be while the run goes on. */
final class Saving {
  private final CheckpointSink sink; // null: nothing is saved
  private final TrainListener listener;
  private final StepPhases phases;
  private final Set<String> fleeting;
  private boolean isLent; // whether what is saved may still be read where it lies

  /**
   * @param fleeting buffers that the next batch changes; the others change by an update alone
   */
  Saving(CheckpointSink sink, TrainListener listener, StepPhases phases, Set<String> fleeting) {
    this.sink = sink;
    this.listener = listener;
    this.phases = phases;
    this.fleeting = fleeting;
  }

  /**
   * A run that goes on can do without a checkpoint; one that is told to stop cannot.
   *
   * @param isNeeded whether a failure ends the run
   * @param waits whether it must be safe when this returns; else it may become so while the run
   *     goes on
   */
  void save(
      long step, ObjectNode state, Map<String, Buffer> buffers, boolean isNeeded, boolean waits) {
    phases.enter(Phase.CHECKPOINT);
    listener.onCheckpointBegins(step);
    try {
      if (!waits && sink.begin(step, state, buffers, fleeting)) {
        isLent = true;
        return; // settle tells of it
      }
      sink.save(step, state, buffers);
    } catch (UncheckedIOException e) {
      if (isNeeded) {
        throw e;
      }
      listener.onCheckpointFailed(step, e);
      return;
    }
    listener.onCheckpoint(step);
  }

  /** Waits until an update may change what is being saved. */
  void beforeUpdate() {
    if (isLent) {
      phases.enter(Phase.CHECKPOINT);
      sink.release();
      isLent = false;
    }
  }

  /** Tells of a checkpoint that was saved in the background, once it is safe or has failed. */
  void settle(boolean waits) {
    if (sink == null) {
      return;
    }
    sink.settled(waits)
        .ifPresent(
            ended -> {
              if (ended.failure() == null) {
                listener.onCheckpoint(ended.step());
              } else {
                listener.onCheckpointFailed(ended.step(), ended.failure());
              }
            });
  }
}
