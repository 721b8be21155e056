package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Order;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Families;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Sgd;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.task.Embedding;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.FaultyMemory;
import dev.attune.testkit.Host;
import dev.attune.testkit.TestTasks;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps on all backends, and on devices recorded and not. */
class StepRunnerTest {
  private static final int BATCH = 4;
  private static final int STEPS = 8;

  /** Runs of one kind. */
  private record Case(
      String model,
      Task task,
      TargetLayout kind,
      DType dtype,
      int microBatches,
      boolean sgd,
      Float dropout,
      LoraConfig lora) {
    Case(
        String model,
        Task task,
        TargetLayout kind,
        DType dtype,
        int microBatches,
        boolean sgd,
        Float dropout) {
      this(model, task, kind, dtype, microBatches, sgd, dropout, null);
    }
  }

  private static final List<Case> CASES =
      List.of(
          new Case(
              "bert", TestTasks.CLASSIFICATION, TargetLayout.LABEL, DType.BF16, 1, false, null),
          new Case("bert", TestTasks.CLASSIFICATION, TargetLayout.LABEL, DType.F32, 2, false, 0f),
          new Case(
              "bert", TestTasks.TOKEN_CLASSIFICATION, TargetLayout.ROWS, DType.F32, 1, true, 0f),
          new Case("bert", TestTasks.REGRESSION, TargetLayout.NUMBER, DType.F32, 1, false, 0f),
          new Case("llama", TestTasks.CLASSIFICATION, TargetLayout.LABEL, DType.F32, 1, false, 0f),
          new Case(
              "llama", TestTasks.CAUSAL_LM, TargetLayout.LEARNED_ROWS, DType.F32, 1, false, 0f),
          new Case(
              "llama", TestTasks.CAUSAL_LM, TargetLayout.LEARNED_ROWS, DType.BF16, 3, false, 0f),
          new Case(
              "llama",
              TestTasks.CAUSAL_LM,
              TargetLayout.LEARNED_ROWS,
              DType.F32,
              2,
              false,
              0f,
              new LoraConfig(4, 8, 0f, List.of(LoraConfig.ALL_LINEAR), false, true)));

  @TempDir static Path shared;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(shared.resolve("bert"), backend);
      TinyDecoder.write(shared.resolve("llama"), backend, 32);
    }
  }

  /** What a run leaves. */
  private record Outcome(List<StepRunner.Result> results, float[] weights, int recorded) {}

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void recordedWorkGivesTheBitsOfTheSameCalls(Backends.Target target) {
    for (Case kind : CASES) {
      Outcome called = run(target.backend(), kind, false, 1e-2f);
      Outcome recorded = run(target.backend(), kind, true, 1e-2f);
      assertEquals(0, called.recorded());
      assertTrue(recorded.recorded() > 0, kind + " recorded nothing");
      assertEquals(called.results(), recorded.results(), kind.toString());
      assertArrayEquals(called.weights(), recorded.weights(), kind.toString());
    }
  }

  /** In f32 only the order of sums differs; dropout masks are the same. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void theNumbersAreThoseOfTheCpu(Backends.Target target) {
    try (CpuBackend cpu = new CpuBackend(2)) {
      for (Case kind : CASES) {
        if (kind.dtype() == DType.F32) {
          Outcome expected = run(cpu, kind, false, 1e-3f);
          Outcome actual = run(target.backend(), kind, true, 1e-3f);
          for (int i = 0; i < STEPS; i++) {
            double loss = expected.results().get(i).loss();
            double norm = expected.results().get(i).gradNorm();
            String at = kind + " step " + (i + 1);
            assertEquals(loss, actual.results().get(i).loss(), 1e-4 * loss, at);
            assertEquals(norm, actual.results().get(i).gradNorm(), 1e-3 * norm, at);
          }
        }
      }
    }
  }

  /** A gradient that is not finite stops all updates, those that were enqueued already too. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void whatDivergesLeavesTheWeightsAlone(Backends.Target target) {
    for (boolean sgd : new boolean[] {false, true}) {
      Case kind =
          new Case("bert", TestTasks.CLASSIFICATION, TargetLayout.LABEL, DType.F32, 1, sgd, 0f);
      // The first step makes the weights so large that the second overflows.
      Outcome one = run(target.backend(), kind, true, 1e30f, 1);
      assertTrue(one.results().get(0).isFinite());
      Outcome more = run(target.backend(), kind, true, 1e30f, 5);
      assertFalse(more.results().get(1).isFinite(), "step 2: " + more.results().get(1));
      assertFalse(Float.isNaN(more.weights()[0]));
      assertArrayEquals(one.weights(), more.weights());
    }
  }

  /**
   * The square of a difference overflows before the difference does: the gradient is finite, and
   * clipped, and is still that of a loss which is not.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void aLossThatIsNotFiniteLeavesTheWeightsAlone(Backends.Target target) {
    for (int microBatches : new int[] {1, 2}) {
      Case kind =
          new Case(
              "bert",
              TestTasks.REGRESSION,
              TargetLayout.NUMBER,
              DType.F32,
              microBatches,
              false,
              0f);
      EncodedDataset huge = data(kind.kind(), 1e20f);
      Outcome none = run(target.backend(), kind, huge, true, 1e-3f, 0);
      Outcome some = run(target.backend(), kind, huge, true, 1e-3f, 4);
      StepRunner.Result first = some.results().get(0);
      assertTrue(Double.isInfinite(first.loss()), first.toString());
      assertTrue(Double.isFinite(first.gradNorm()), first.toString());
      assertArrayEquals(none.weights(), some.weights(), kind.toString());
    }
  }

  /** Memory may end at any allocation, that of the pieces' vectors included. */
  @Test
  void aRunnerThatCannotBeMadeGivesBackWhatItTook() {
    Example row = Example.ofAnchor(1, "red", "cat", List.of(), Map.of());
    Task task =
        Embedding.TYPE.create(
            null,
            new Dataset(Path.of("pairs.jsonl"), List.of(row)),
            option -> option == Term.MINI_BATCH_SIZE ? "1" : null);
    try (CpuBackend cpu = new CpuBackend(1)) {
      FaultyMemory memory = new FaultyMemory(cpu);
      JsonNode config = ModelFolder.readConfig(shared.resolve("bert"));
      try (Model model = task.model(memory.backend(), config, 0f, new ParameterBuilder());
          Tape tape =
              new Tape(memory.backend(), new Arena(memory.backend(), 1 << 20), DType.F32, 1)) {
        model.parameters().enableTraining();
        try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f))) {
          Objective objective = new Objective(task, 0f);
          TrainingParts parts =
              new TrainingParts(
                  model, optimizer, tape, objective, 1.0, 64, 8, TargetLayout.NONE, 2, 1, 1, null);
          int before = memory.liveCount();
          int failures = 0;
          for (boolean isMade = false; !isMade; ) {
            memory.failAt(failures + 1);
            try {
              new StepRunner(parts, false).close();
              isMade = true;
            } catch (DeviceMemoryException e) {
              failures++;
            }
            assertEquals(before, memory.liveCount(), "allocation " + failures);
          }
          assertTrue(failures >= 3, "only " + failures + " allocations");
        }
      }
    }
  }

  private static Outcome run(Backend backend, Case kind, boolean graphs, float rate) {
    return run(backend, kind, graphs, rate, STEPS);
  }

  private static Outcome run(Backend backend, Case kind, boolean graphs, float rate, int steps) {
    return run(backend, kind, data(kind.kind(), 1f), graphs, rate, steps);
  }

  private static Outcome run(
      Backend backend, Case kind, EncodedDataset data, boolean graphs, float rate, int steps) {
    Path folder = shared.resolve(kind.model());
    int outputs = kind.task() == TestTasks.REGRESSION ? 1 : 3;
    ParameterBuilder builder = new ParameterBuilder();
    if (kind.lora() != null) {
      builder.freeze(DType.F32, DType.F32);
      builder.adapt(kind.lora());
    }
    try (Model model =
            Families.create(
                backend,
                ModelFolder.readConfig(folder),
                kind.task().head(),
                outputs,
                kind.dropout(),
                builder);
        Staging staging = new Staging(backend);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 26), kind.dtype(), 11)) {
      ModelWeights.load(folder, model, 3);
      model.parameters().enableTraining();
      model.parameters().prepare(kind.dtype());
      try (Optimizer optimizer =
              kind.sgd()
                  ? new Sgd(model.parameters(), new Sgd.Config(0.9f, 0.01f, true))
                  : new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          StepRunner runner = runner(backend, model, optimizer, tape, kind, data, graphs);
          BatchStream stream =
              BatchStream.training(
                  data,
                  Order.shuffled(5),
                  BATCH,
                  99,
                  dev.attune.batch.Cursor.START,
                  model.positionOffset())) {
        List<StepRunner.Result> results = new ArrayList<>();
        int microStep = 0;
        for (int step = 0; step < steps; step++) {
          long targets = 0;
          for (int i = 1; i <= kind.microBatches(); i++) {
            Batch batch = stream.next();
            targets += batch.supervisedTargets();
            boolean last = i == kind.microBatches();
            runner.run(batch, microStep++, last ? new StepRunner.Update(rate, targets, 1f) : null);
            if (last) {
              // As an evaluation does: what it brings up to date must not go stale.
              Inputs inputs = staging.stage(batch, model.batchRotaries());
              tape.begin(false);
              model.forward(tape, inputs);
            }
          }
          if (step >= runner.lead()) {
            results.add(runner.result());
          }
        }
        while (results.size() < steps) {
          results.add(runner.result());
        }
        int recorded = runner.recordings();
        int count = Math.toIntExact(model.parameters().size());
        return new Outcome(results, Host.floats(model.parameters().weights(), 0, count), recorded);
      }
    }
  }

  private static StepRunner runner(
      Backend backend,
      Model model,
      Optimizer optimizer,
      Tape tape,
      Case kind,
      EncodedDataset data,
      boolean graphs) {
    TrainingParts parts =
        new TrainingParts(
            model,
            optimizer,
            tape,
            new Objective(kind.task(), 0f),
            1.0,
            BatchStream.rowCapacity(data, BATCH),
            BATCH,
            data.layout(),
            data.columns(),
            kind.microBatches(),
            tape.seed(),
            null);
    return new StepRunner(parts, graphs);
  }

  /**
   * Lengths 9 to 20: few counts of padded rows, so that most recur.
   *
   * @param scale of numbers
   */
  private static EncodedDataset data(TargetLayout kind, float scale) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(kind, kind != TargetLayout.LEARNED_ROWS);
    for (int i = 0; i < 60; i++) {
      int length = 9 + (int) Math.floorMod(Philox.bits64(5, 1, i), 12L);
      int[] ids = new int[length];
      int[] labels = new int[length];
      boolean[] learned = new boolean[length];
      for (int t = 0; t < length; t++) {
        ids[t] = (int) Math.floorMod(Philox.bits64(5, 2 + i, t), 27L);
        labels[t] = ids[t] % 3;
        learned[t] = t > length / 2;
      }
      if (kind.equals(TargetLayout.LABEL)) {
        builder.add(ids, new int[length], ids[0] % 3);
      } else if (kind.equals(TargetLayout.NUMBER)) {
        builder.add(ids, new int[length], scale * ids[0] / 10f);
      } else if (kind.equals(TargetLayout.ROWS)) {
        builder.add(ids, new int[length], labels);
      } else {
        builder.addNextTokens(ids, learned, 0, length);
      }
    }
    return builder.build();
  }
}
