package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Cursor;
import dev.attune.core.FileOps;
import dev.attune.memory.Buffer;
import dev.attune.train.CheckpointSink;
import dev.attune.train.TrainResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Checkpoints that are left as models too, where the listener wants them. */
final class CheckpointModels implements CheckpointSink {
  private final CheckpointSink next;
  private final PreparedRun run;
  private final RunListener listener;

  /**
   * @param next saves the checkpoints
   */
  CheckpointModels(CheckpointSink next, PreparedRun run, RunListener listener) {
    this.next = next;
    this.run = run;
    this.listener = listener;
  }

  @Override
  public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
    next.save(step, state, buffers);
    leaveIfWanted(step, state);
  }

  @Override
  public void expect(Map<String, Buffer> buffers) {
    next.expect(buffers);
  }

  /** The model is left meanwhile: once the checkpoint is safe, the weights are others. */
  @Override
  public boolean begin(
      long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting) {
    boolean isBegun = next.begin(step, state, buffers, fleeting);
    if (isBegun) {
      leaveIfWanted(step, state);
    }
    return isBegun;
  }

  @Override
  public void release() {
    next.release();
  }

  @Override
  public Optional<Ended> settled(boolean waits) {
    return next.settled(waits);
  }

  private void leaveIfWanted(long step, ObjectNode state) {
    if (!run.data().task().isFitted()) {
      listener.modelOfCheckpoint(step).ifPresent(folder -> leave(step, state, folder));
    }
  }

  /** A checkpoint is what a run goes on from; that there is no model of it does not end the run. */
  private void leave(long step, ObjectNode state, Path folder) {
    try {
      FileOps.SYSTEM.createFolder(folder);
      TrainedFolder.of(run, run.data().task(), soFar(step, state)).install(folder);
      listener.onCheckpointModel(step, folder);
    } catch (IOException e) {
      listener.onTrouble(
          "the model of step "
              + step
              + " could not be left in "
              + folder
              + ": "
              + OutputFolder.describe(e));
    }
  }

  private TrainResult soFar(long step, ObjectNode state) {
    Cursor at = Cursor.fromJson(state.path("cursor"));
    long skipped = state.path("skipped_steps").asLong();
    double lossSum = Double.longBitsToDouble(state.path("loss_sum_bits").asLong());
    return new TrainResult(
        step,
        skipped,
        at.epoch() + run.data().shareOfEpoch(at.next()),
        step == skipped ? 0 : lossSum / (step - skipped),
        Map.of(),
        state.path("tokens").asLong(),
        0,
        0,
        0,
        true,
        false,
        0,
        false,
        0);
  }

  @Override
  public boolean savesLast() {
    return next.savesLast();
  }

  @Override
  public void saveBest(long step, Buffer weights) {
    next.saveBest(step, weights);
  }

  @Override
  public boolean loadBest(Buffer weights) {
    return next.loadBest(weights);
  }
}
