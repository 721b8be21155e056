package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.checkpoint.Snapshot;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.tape.Tape;
import dev.attune.task.Classification;
import dev.attune.testkit.Backends;
import dev.attune.testkit.TestTasks;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.Viewless;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A whole run on memory that the host cannot address: loading, training, evaluation, early
 * stopping, saving, resuming. Every copy that is forgotten or stale changes a number.
 */
class DeviceMemoryTest {
  private static final int STEPS = 12;
  private static final int SAVED_AT = 5;
  private static final int BATCH = 16;

  /** The emulated device is slow: fewer steps, smaller batches. */
  private static final int CUDA_STEPS = 7;

  private static final int CUDA_BATCH = 4;

  @TempDir Path scratch;
  private Path folder;

  @BeforeEach
  void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyModel.write(scratch.resolve("model"), Viewless.of(backend));
    }
  }

  @Test
  void aViewOfSuchMemoryIsRefused() {
    try (CpuBackend cpu = new CpuBackend(1);
        Buffer buffer = Buffer.allocate(cpu, 8, false)) {
      assertThrows(
          UnsupportedOperationException.class, () -> Viewless.of(cpu).view(buffer.address(), 8));
    }
  }

  @Test
  void theModelFolderHoldsTheSameBytes() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      Path other = TinyModel.write(scratch.resolve("other"), backend);
      assertArrayEquals(
          Files.readAllBytes(other.resolve("model.safetensors")),
          Files.readAllBytes(folder.resolve("model.safetensors")));
    }
  }

  @Test
  void aRunGivesTheBytesAndNumbersOfARunWithViews() throws IOException {
    try (CpuBackend cpu = new CpuBackend(2)) {
      Backend device = Viewless.of(cpu);
      Log expected = new Log();
      byte[] weights = run(cpu, scratch.resolve("a"), expected, STEPS);
      Log log = new Log();
      assertArrayEquals(weights, run(device, scratch.resolve("b"), log, STEPS));
      assertEquals(expected.lines, log.lines);
      assertArrayEquals(state(scratch.resolve("a")), state(scratch.resolve("b")));
    }
  }

  @Test
  void aRunThatIsResumedEndsInTheSameBytes() throws IOException {
    try (CpuBackend cpu = new CpuBackend(2)) {
      Backend device = Viewless.of(cpu);
      byte[] whole = run(cpu, scratch.resolve("whole"), new Log(), STEPS);
      run(device, scratch.resolve("parts"), new Log(), SAVED_AT);
      assertArrayEquals(whole, run(device, scratch.resolve("parts"), new Log(), STEPS));
    }
  }

  /**
   * The CUDA backend follows the CPU step for step in f32, where only the order of sums differs.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void aRunOnCudaFollowsTheCpu(Backends.Target target) throws IOException {
    try (CpuBackend cpu = new CpuBackend(2)) {
      for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
        double tolerance = dtype == DType.F32 ? 1e-4 : 2e-2;
        Log expected = new Log();
        run(
            cpu,
            scratch.resolve("cpu " + dtype),
            expected,
            CUDA_STEPS,
            CUDA_STEPS,
            CUDA_BATCH,
            dtype);
        Log log = new Log();
        run(
            target.backend(),
            scratch.resolve("cuda " + dtype),
            log,
            CUDA_STEPS,
            CUDA_STEPS,
            CUDA_BATCH,
            dtype);
        assertEquals(CUDA_STEPS, log.losses.size());
        for (int i = 0; i < CUDA_STEPS; i++) {
          double loss = expected.losses.get(i);
          assertEquals(loss, log.losses.get(i), tolerance * loss, dtype + " step " + (i + 1));
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void aRunOnCudaThatIsResumedEndsInTheSameBytes(Backends.Target target) throws IOException {
    Backend device = target.backend();
    byte[] whole = runOnCuda(device, scratch.resolve("whole"), CUDA_STEPS);
    runOnCuda(device, scratch.resolve("parts"), SAVED_AT);
    assertArrayEquals(whole, runOnCuda(device, scratch.resolve("parts"), CUDA_STEPS));
  }

  private byte[] runOnCuda(Backend device, Path checkpoints, long stopAt) throws IOException {
    return run(device, checkpoints, new Log(), stopAt, CUDA_STEPS, CUDA_BATCH, DType.BF16);
  }

  /** The newest checkpoint's buffers, one after another. */
  private static byte[] state(Path checkpoints) throws IOException {
    Path newest = checkpoints.resolve(String.format("step-%09d", 2 * SAVED_AT));
    java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
    for (String name : List.of("weights", "adam_m", "adam_v", "row_state")) {
      bytes.write(Files.readAllBytes(newest.resolve(name + ".bin")));
    }
    return bytes.toByteArray();
  }

  /**
   * Trains from the newest checkpoint, if there is one, until {@code stopAt}; gives the weights.
   */
  private byte[] run(Backend backend, Path checkpoints, Log log, long stopAt) throws IOException {
    return run(backend, checkpoints, log, stopAt, STEPS, BATCH, DType.BF16);
  }

  private byte[] run(
      Backend backend, Path checkpoints, Log log, long stopAt, int steps, int batch, DType dtype)
      throws IOException {
    CheckpointStore store = new CheckpointStore(checkpoints, 2, problem -> {});
    TrainerConfig config =
        new TrainerConfig(
            batch,
            1,
            steps,
            2,
            Rates.of(Schedule.Kind.LINEAR, 1e-2, 0),
            1.0,
            0.1,
            3,
            true,
            new Evaluations(Evaluations.When.STEPS, 2, 4, "loss", true),
            SAVED_AT);
    try (Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 26), dtype, config.seed());
        Inference inference = new Inference(backend)) {
      ModelWeights.load(folder, model, config.seed());
      model.parameters().enableTraining();
      model.parameters().prepare(dtype);
      LabelMap labels = LabelMap.ofNames(List.of("even", "odd"));
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION,
                  model,
                  optimizer,
                  tape,
                  data(400),
                  new Evaluator(new Classification(labels), data(30), inference),
                  config)) {
        store
            .latest()
            .ifPresent(
                found -> {
                  Snapshot saved = found.checkpoint();
                  saved.load(trainer.buffers());
                  trainer.resume(saved.state(), found.lacksBest());
                });
        trainer.run(log, new Store(store), () -> log.step >= stopAt);
      }
      Path file = scratch.resolve("weights.safetensors");
      ModelWeights.write(file, model);
      return Files.readAllBytes(file);
    }
  }

  private static EncodedDataset data(int examples) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    for (int i = 0; i < examples; i++) {
      int[] ids = new int[1 + (int) Math.floorMod(Philox.bits64(5, 1, i), 20L)];
      for (int t = 0; t < ids.length; t++) {
        ids[t] = (int) Math.floorMod(Philox.bits64(5, 2 + i, t), 27L);
      }
      builder.add(ids, new int[ids.length], ids[0] & 1);
    }
    return builder.build();
  }

  private record Store(CheckpointStore store) implements CheckpointSink {
    @Override
    public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
      store.save(step, state, buffers);
    }

    @Override
    public boolean begin(
        long step, ObjectNode state, Map<String, Buffer> contents, Set<String> fleeting) {
      return false;
    }

    @Override
    public Optional<Ended> settled(boolean waits) {
      return Optional.empty();
    }

    @Override
    public void saveBest(long step, Buffer weights) {
      store.saveBest(step, weights);
    }

    @Override
    public boolean loadBest(Buffer weights) {
      return store.loadBest(weights);
    }
  }

  private static final class Log implements TrainListener {
    private final List<String> lines = new ArrayList<>();
    private final List<Double> losses = new ArrayList<>();
    private long step;

    @Override
    public void onStep(Step at) {
      step = at.step();
      losses.add(at.loss());
      lines.add(at.step() + " " + at.loss() + " " + at.gradNorm());
    }

    @Override
    public void onEvaluation(long at, double epoch, Map<String, Double> metrics, boolean best) {
      lines.add(at + " " + new TreeMap<>(metrics) + " " + best);
    }

    @Override
    public void onCheckpoint(long at) {}
  }
}
