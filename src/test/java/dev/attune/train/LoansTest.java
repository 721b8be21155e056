package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.tape.Tape;
import dev.attune.testkit.Host;
import dev.attune.testkit.TestTasks;
import dev.attune.testkit.TinyModel;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Runs whose activations borrow the memory of gradients end in the bits in which they end without,
 * and a rehearsal takes what their steps take.
 */
class LoansTest {
  private static final int BATCH = 4;
  private static final int STEPS = 4;

  @TempDir Path scratch;

  /** What a run leaves, and the most of the arena's own memory that it took. */
  private record Outcome(float[] weights, long ownBytes) {}

  private static final TrainListener SILENT =
      new TrainListener() {
        @Override
        public void onStep(Step step) {}

        @Override
        public void onEvaluation(
            long step, double epoch, Map<String, Double> metrics, boolean best) {}

        @Override
        public void onCheckpoint(long step) {}
      };

  @Test
  void aStepOfOneBatchBorrows() {
    Outcome own = run(1, false, false);
    Outcome borrowed = run(1, true, false);
    assertArrayEquals(own.weights, borrowed.weights);
    assertTrue(borrowed.ownBytes < own.ownBytes, "it borrowed nothing");
  }

  @Test
  void ofSeveralBatchesOnlyTheFirstBorrows() {
    Outcome own = run(2, false, false);
    Outcome borrowed = run(2, true, false);
    assertArrayEquals(own.weights, borrowed.weights);
    assertEquals(own.ownBytes, borrowed.ownBytes);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aRehearsalTakesWhatAStepTakes(int accumulated) {
    assertEquals(run(accumulated, true, false).ownBytes, run(accumulated, true, true).ownBytes);
  }

  private Outcome run(int accumulated, boolean borrows, boolean rehearses) {
    try (CpuBackend backend = new CpuBackend(1)) {
      Path folder = TinyModel.write(scratch, backend);
      EncodedDataset data = data();
      TrainerConfig config =
          new TrainerConfig(
              BATCH,
              1,
              STEPS,
              accumulated,
              Rates.of(Schedule.Kind.LINEAR, 1e-3, 0),
              1.0,
              0,
              1,
              false,
              Evaluations.every(0),
              0);
      try (Model model =
              Families.create(
                  backend,
                  ModelFolder.readConfig(folder),
                  TestTasks.TOKEN_CLASSIFICATION.head(),
                  3,
                  0.1f);
          Tape tape = new Tape(backend, new Arena(backend, 1 << 26), DType.F32, 1)) {
        ModelWeights.load(folder, model, 3);
        model.parameters().enableTraining();
        tape.useLoans(borrows);
        try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
            TrainingLoop loop =
                new TrainingLoop(
                    TestTasks.TOKEN_CLASSIFICATION, model, optimizer, tape, data, null, config)) {
          if (rehearses) {
            loop.rehearse(
                new Packer(data, model.positionOffset()).pack(new int[] {0, 1, 2, 3}, new Batch()));
          } else {
            loop.run(SILENT, null, () -> false);
          }
          int count = Math.toIntExact(model.parameters().size());
          return new Outcome(
              Host.floats(model.parameters().weights(), 0, count), tape.arena().highWaterBytes());
        }
      }
    }
  }

  /**
   * Of one length: all batches are alike. A label a token: the last layer is as large as others.
   */
  private static EncodedDataset data() {
    Random random = new Random(5);
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.ROWS, true);
    for (int i = 0; i < 2 * BATCH; i++) {
      builder.add(random.ints(20, 5, 27).toArray(), new int[20], random.ints(20, 0, 3).toArray());
    }
    return builder.build();
  }
}
