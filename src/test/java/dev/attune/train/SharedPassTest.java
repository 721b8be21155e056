package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.Cursor;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Order;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.task.CausalLm;
import dev.attune.task.Objective;
import dev.attune.testkit.TinyDecoder;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of passes for which there is no room. */
class SharedPassTest {
  private static final int STEPS = 3;
  private static final int BATCH = 4;
  private static final long LARGE = 1L << 26;
  private static final int PARTS = 16;

  /** Jobs of this rank and above have long texts. */
  private static final int LONG = 8;

  @TempDir static Path shared;
  private static Path folder;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyDecoder.write(shared.resolve("llama"), backend, 32);
    }
  }

  /**
   * What jobs have come to.
   *
   * @param adapters values of each
   * @param arenaBytes that passes took
   */
  private record Trained(List<byte[]> adapters, long arenaBytes) {}

  private static Trained trained(long arenaBytes, int... ranks) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(ranks.length);
    try (CpuBackend backend = new CpuBackend(1);
        Model base = model(backend, null, 0);
        Tape tape = new Tape(backend, new Arena(backend, arenaBytes), DType.F32, 1)) {
      ModelWeights.load(folder, base, 3);
      SharedPass pass = new SharedPass();
      pass.begin(base, tape);
      List<SharedPass.Job> jobs = new ArrayList<>();
      for (int i = 0; i < ranks.length; i++) {
        jobs.add(pass.join());
      }
      List<Future<byte[]>> results = new ArrayList<>();
      for (int i = 0; i < ranks.length; i++) {
        SharedPass.Job job = jobs.get(i);
        int rank = ranks[i];
        results.add(threads.submit(() -> train(backend, base, tape, job, rank)));
      }
      threads.shutdown();
      assertTrue(threads.awaitTermination(2, TimeUnit.MINUTES), "the jobs do not end");
      List<byte[]> adapters = new ArrayList<>();
      for (Future<byte[]> result : results) {
        adapters.add(valueOrNull(result));
      }
      return new Trained(adapters, tape.arena().highWaterBytes());
    }
  }

  /** Null: there was no room for it. */
  private static byte[] valueOrNull(Future<byte[]> result) throws Exception {
    try {
      return result.get();
    } catch (ExecutionException e) {
      assertTrue(e.getCause() instanceof DeviceMemoryException, e::toString);
      return null;
    }
  }

  private static Model model(Backend backend, Parameters host, int rank) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    if (host != null) {
      builder.borrow(host, true);
      builder.adapt(new LoraConfig(rank, 8, 0.1f, List.of(LoraConfig.ALL_LINEAR), false, false));
    }
    return Families.create(
        backend, ModelFolder.readConfig(folder), HeadKind.LANGUAGE_MODEL, 1, null, builder);
  }

  private static byte[] train(
      Backend backend, Model base, Tape tape, SharedPass.Job job, int rank) {
    job.enter();
    EncodedDataset data = data(rank);
    try (Model model = model(backend, base.parameters(), rank)) {
      ModelWeights.load(folder, model, rank);
      model.parameters().enableTraining();
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          StepRunner runner =
              new StepRunner(
                  new TrainingParts(
                      model,
                      optimizer,
                      tape,
                      new Objective(new CausalLm(false), 0f),
                      1.0,
                      BatchStream.rowCapacity(data, BATCH),
                      BATCH,
                      data.layout(),
                      data.columns(),
                      1,
                      rank,
                      job),
                  false);
          BatchStream batches =
              BatchStream.training(data, Order.shuffled(rank), BATCH, 9, Cursor.START, 0)) {
        for (int step = 0; step < STEPS; step++) {
          Batch batch = batches.next();
          runner.run(batch, step, new StepRunner.Update(1e-2f, batch.supervisedTargets(), 1f));
          runner.result();
        }
        ByteBuffer weights =
            ByteBuffer.allocateDirect((int) model.parameters().weights().sizeBytes());
        model.parameters().weights().read(0, weights);
        byte[] bytes = new byte[weights.flip().remaining()];
        weights.get(bytes);
        return bytes;
      }
    } finally {
      job.leave();
    }
  }

  private static EncodedDataset data(int seed) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    for (int i = 0; i < 30; i++) {
      int[] ids = new int[seed < LONG ? 12 + i % 9 : 31];
      for (int t = 0; t < ids.length; t++) {
        ids[t] = (int) Math.floorMod(Philox.bits64(seed, i, t), 200L);
      }
      builder.addNextTokens(ids, null, 0, ids.length);
    }
    return builder.build();
  }

  @Test
  void whatDoesNotFitTogetherIsComputedJobByJob() throws Exception {
    Trained first = trained(LARGE, 2);
    Trained second = trained(LARGE, 5);
    Trained both = trained(LARGE, 2, 5);
    List<byte[]> alone =
        Stream.of(first, second).map(trained -> trained.adapters().get(0)).toList();
    long enough = Math.max(first.arenaBytes(), second.arenaBytes());
    assertTrue(enough < both.arenaBytes(), "there is room");
    for (int job = 0; job < 2; job++) {
      assertArrayEquals(alone.get(job), both.adapters().get(job), "together " + job);
    }
    // With little it is forward that finds no room, with more a loss, then backward.
    for (int part = 0; part < PARTS; part++) {
      long tooLittle = enough + (both.arenaBytes() - enough) * part / PARTS / 4096 * 4096;
      Trained inTurn = trained(tooLittle, 2, 5);
      for (int job = 0; job < 2; job++) {
        assertArrayEquals(alone.get(job), inTurn.adapters().get(job), tooLittle + ": " + job);
      }
    }
  }

  @Test
  void whereNoJobFitsEachIsTold() throws Exception {
    assertEquals(Arrays.asList(null, null), trained(1 << 16, 2, 5).adapters());
  }

  /** In forward, in a loss, or in backward: the pass goes on without it. */
  @Test
  void aJobThatDoesNotFitLeavesTheOthersAsTheyAre() throws Exception {
    Trained first = trained(LARGE, 2);
    Trained second = trained(LARGE, 5);
    Trained large = trained(LARGE, LONG);
    long enough = Math.max(first.arenaBytes(), second.arenaBytes());
    assertTrue(enough < large.arenaBytes(), "it fits");
    for (int part = 0; part < PARTS; part++) {
      long room = enough + (large.arenaBytes() - enough) * part / PARTS / 4096 * 4096;
      Trained together = trained(room, 2, LONG, 5);
      assertNull(together.adapters().get(1), "it fits in " + room);
      assertArrayEquals(first.adapters().get(0), together.adapters().get(0), room + ": first");
      assertArrayEquals(second.adapters().get(0), together.adapters().get(2), room + ": second");
    }
  }
}
