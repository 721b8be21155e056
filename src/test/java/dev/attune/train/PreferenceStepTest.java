package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.BatchStream;
import dev.attune.batch.Cursor;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Order;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.task.Dpo;
import dev.attune.task.Objective;
import dev.attune.task.Task;
import dev.attune.task.TaskOptions;
import dev.attune.testkit.Backends;
import dev.attune.testkit.TinyDecoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps of preferences, whose losses are computed on the host, on all backends. */
class PreferenceStepTest {
  private static final int PAIRS = 4;
  private static final int STEPS = 6;

  @TempDir static Path shared;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(shared, backend, 32);
    }
  }

  private static EncodedDataset data() {
    EncodedDataset.Builder data =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false).columns(2);
    Random random = new Random(6);
    for (int sequence = 0; sequence < 2 * PAIRS * STEPS; sequence++) {
      int[] ids = random.ints(5 + random.nextInt(20), 0, 256).toArray();
      boolean[] learned = new boolean[ids.length];
      for (int t = 3; t < ids.length; t++) {
        learned[t] = true;
      }
      data.addNextTokens(ids, learned, 0, ids.length);
    }
    return data.build();
  }

  private static List<StepRunner.Result> run(Backend backend, boolean adapter) {
    Task task = Dpo.TYPE.create(null, null, TaskOptions.NONE);
    ParameterBuilder builder = new ParameterBuilder();
    if (adapter) {
      builder.freeze(DType.F32, DType.F32);
      builder.adapt(new LoraConfig(4, 8, 0f, List.of(LoraConfig.ALL_LINEAR), false, false));
    }
    try (Model model = task.model(backend, ModelFolder.readConfig(shared), 0f, builder);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 26), DType.F32, 11);
        Inference inference = new Inference(backend)) {
      ModelWeights.load(shared, model, 3);
      model.parameters().enableTraining();
      EncodedDataset data = ReferencePass.over(data(), model, tape, inference, () -> false);
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          StepRunner runner =
              new StepRunner(
                  new TrainingParts(
                      model,
                      optimizer,
                      tape,
                      new Objective(task, 0.1f),
                      1.0,
                      BatchStream.rowCapacity(data, 2 * PAIRS),
                      2 * PAIRS,
                      data.layout(),
                      data.columns(),
                      1,
                      0,
                      null),
                  true);
          BatchStream stream =
              BatchStream.training(
                  data, Order.file(), PAIRS, 1, Cursor.START, model.positionOffset())) {
        List<StepRunner.Result> results = new ArrayList<>();
        for (int step = 0; step < STEPS; step++) {
          runner.run(stream.next(), step, new StepRunner.Update(1e-2f, PAIRS, 1f));
          results.add(runner.result());
        }
        assertEquals(0, runner.recordings(), "what waits for the device cannot be recorded");
        return results;
      }
    }
  }

  static Stream<Backends.Target> targets() {
    return Backends.onDevice() ? Backends.cuda() : Stream.concat(Backends.best(), Backends.cuda());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void theNumbersAreThoseOfTheCpu(Backends.Target target) {
    try (CpuBackend cpu = new CpuBackend(1)) {
      for (boolean adapter : new boolean[] {false, true}) {
        List<StepRunner.Result> expected = run(cpu, adapter);
        List<StepRunner.Result> actual = run(target.backend(), adapter);
        assertEquals(Math.log(2), expected.get(0).loss(), 1e-5, "nothing has changed yet");
        assertTrue(
            Math.abs(expected.get(STEPS - 1).metrics().get(3)) > 1e-3, "nothing was learned");
        for (int step = 0; step < STEPS; step++) {
          double norm = expected.get(step).gradNorm();
          assertEquals(expected.get(step).loss(), actual.get(step).loss(), 1e-4, "step " + step);
          assertEquals(norm, actual.get(step).gradNorm(), 1e-3 * norm, "step " + step);
          double margin = expected.get(step).metrics().get(3);
          assertEquals(margin, actual.get(step).metrics().get(3), 1e-4, "step " + step);
        }
      }
    }
  }
}
