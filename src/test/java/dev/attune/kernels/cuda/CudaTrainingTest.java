package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
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
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.TrainListener;
import dev.attune.train.TrainerConfig;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import dev.attune.train.TrainingLoop;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whole runs of a small model: their numbers beside the CPU's, and what many leave behind. */
class CudaTrainingTest {
  private static final int STEPS = 20;
  private static final long SEED = 3;

  /** A process that serves trains hundreds of models; the emulated device is slow. */
  private static final int RUNS = Backends.onDevice() ? 200 : 8;

  /** Runs until nothing grows any more: scratch of products, lists of the host. */
  private static final int FIRST_RUNS = 2;

  @TempDir Path scratch;
  private Path folder;

  @BeforeEach
  void prepare() {
    try (CpuBackend cpu = new CpuBackend(1)) {
      folder = TinyModel.write(scratch.resolve("model"), cpu);
    }
  }

  /** In f32 only the order of sums differs: losses and gradient norms agree to 1e-4. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void twentyStepsFollowTheCpu(Backends.Target target) {
    Log expected = new Log();
    try (CpuBackend cpu = new CpuBackend(2)) {
      run(cpu, STEPS, expected);
    }
    Log log = new Log();
    run(target.backend(), STEPS, log);
    assertEquals(STEPS, log.losses.size());
    for (int i = 0; i < STEPS; i++) {
      String step = "step " + (i + 1);
      assertClose(expected.losses.get(i), log.losses.get(i), "loss of " + step);
      assertClose(expected.norms.get(i), log.norms.get(i), "gradient norm of " + step);
    }
    assertEquals(expected.evaluations.keySet(), log.evaluations.keySet());
    assertClose(
        expected.evaluations.get("loss"), log.evaluations.get("loss"), "loss of the evaluation");
    assertTrue(log.losses.get(STEPS - 1) < log.losses.get(0), "nothing was learned");
  }

  private static void assertClose(double expected, double actual, String what) {
    assertEquals(expected, actual, 1e-4 * Math.abs(expected), what);
  }

  /** Training and evaluating again and again on one backend. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void runsLeaveNoMemoryBehind(Backends.Target target) {
    Backend backend = target.backend();
    long free = 0;
    long peak = 0;
    for (int run = 1; run <= RUNS; run++) {
      run(backend, 2, new Log());
      if (run == FIRST_RUNS) {
        free = backend.reservableBytes();
        peak = backend.peakReservedBytes();
      } else if (run > FIRST_RUNS) {
        assertEquals(free, backend.reservableBytes(), "free memory after run " + run);
        assertEquals(peak, backend.peakReservedBytes(), "peak of run " + run);
      }
    }
  }

  /** And on a backend of its own each time: page-locked memory and events go back as well. */
  @Test
  void closedBackendsLeaveNothingBehind() {
    Assumptions.assumeFalse(Backends.onDevice(), "this process has loaded the kernels of a device");
    try (CpuBackend cpu = new CpuBackend(1)) {
      EmulatedRuntime runtime = new EmulatedRuntime(cpu);
      int blocks = 0;
      int pageLocked = 0;
      int events = 0;
      try (CudaBackend backend = Emulation.open(runtime, cpu)) {
        for (int run = 1; run <= 4; run++) {
          run(backend, 2, new Log());
          if (run == FIRST_RUNS) {
            blocks = runtime.liveBlocks();
            pageLocked = runtime.pageLockedBuffers();
            events = runtime.liveEvents();
          } else if (run > FIRST_RUNS) {
            assertEquals(blocks, runtime.liveBlocks(), "blocks after run " + run);
            assertEquals(pageLocked, runtime.pageLockedBuffers(), "page-locked after run " + run);
            assertEquals(events, runtime.liveEvents(), "events after run " + run);
          }
        }
      }
      assertTrue(runtime.isClean(), "the closed backend left something behind");
    }
  }

  private void run(Backend backend, int steps, Log log) {
    TrainerConfig config =
        new TrainerConfig(
            4,
            1,
            steps,
            1,
            Rates.of(Schedule.Kind.LINEAR, 2e-3, 0),
            1,
            0.1,
            SEED,
            true,
            Evaluations.every(steps),
            0);
    try (Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 24), DType.F32, SEED);
        Inference inference = new Inference(backend)) {
      ModelWeights.load(folder, model, SEED);
      model.parameters().enableTraining();
      model.parameters().prepare(DType.F32);
      LabelMap labels = LabelMap.ofNames(List.of("even", "odd"));
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION,
                  model,
                  optimizer,
                  tape,
                  data(80),
                  new Evaluator(new Classification(labels), data(10), inference),
                  config)) {
        trainer.run(log, null, () -> false);
      }
    }
  }

  /** Random words; the first decides the label. */
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

  private static final class Log implements TrainListener {
    private final List<Double> losses = new ArrayList<>();
    private final List<Double> norms = new ArrayList<>();
    private Map<String, Double> evaluations = Map.of();

    @Override
    public void onStep(Step step) {
      losses.add(step.loss());
      norms.add(step.gradNorm());
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
      evaluations = metrics;
    }

    @Override
    public void onCheckpoint(long step) {}
  }
}
