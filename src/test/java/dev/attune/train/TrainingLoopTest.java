package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.run.ProcessMemory;
import dev.attune.tape.Tape;
import dev.attune.testkit.Host;
import dev.attune.testkit.TestTasks;
import dev.attune.testkit.TinyModel;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The loop itself, on a tiny model. */
class TrainingLoopTest {
  private static final Rates RATES = Rates.of(Schedule.Kind.LINEAR, 1e-3, 0);
  private static final int VOCABULARY = 27;
  private static final int LONGEST = 20;

  @TempDir static Path shared;
  private static Path folder;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyModel.write(shared.resolve("model"), backend);
    }
  }

  private static TrainerConfig config(int batchSize, int accumulation, long steps) {
    return new TrainerConfig(
        batchSize, 1, steps, accumulation, RATES, 1.0, 0, 3, true, Evaluations.every(0), 0);
  }

  private static EncodedDataset data(int examples) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    for (int i = 0; i < examples; i++) {
      int length = 1 + (int) Math.floorMod(Philox.bits64(5, 1, i), (long) LONGEST);
      int[] ids = new int[length];
      for (int t = 0; t < length; t++) {
        ids[t] = (int) Math.floorMod(Philox.bits64(5, 2 + i, t), (long) VOCABULARY);
      }
      builder.add(ids, new int[length], ids[0] & 1);
    }
    return builder.build();
  }

  /** Hears the losses and, after each step, of anything else a test wants to look at. */
  private static class Recorder implements TrainListener {
    private final List<Double> losses = new ArrayList<>();
    private final Runnable afterStep;

    Recorder(Runnable afterStep) {
      this.afterStep = afterStep;
    }

    @Override
    public void onStep(Step step) {
      losses.add(step.loss());
      afterStep.run();
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {}
  }

  private static float[] train(
      TrainerConfig config, DType dtype, Float dropout, int threads, TrainListener listener) {
    try (CpuBackend backend = new CpuBackend(threads);
        Model model =
            Families.create(
                backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, dropout);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 28), dtype, config.seed())) {
      ModelWeights.load(folder, model, config.seed());
      model.parameters().enableTraining();
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION, model, optimizer, tape, data(256), null, config)) {
        trainer.run(listener, null, () -> false);
      }
      return Host.floats(model.parameters().weights(), 0, (int) model.parameters().size());
    }
  }

  @Test
  void eightSmallBatchesGiveTheStepOfOneLargeBatch() {
    Recorder whole = new Recorder(() -> {});
    Recorder parts = new Recorder(() -> {});
    float[] one = train(config(32, 1, 6), DType.F32, 0f, 2, whole);
    float[] eight = train(config(4, 8, 6), DType.F32, 0f, 2, parts);
    assertEquals(6, whole.losses.size());
    for (int i = 0; i < 6; i++) {
      assertEquals(whole.losses.get(i), parts.losses.get(i), 2e-5 * whole.losses.get(i));
    }
    double difference = 0;
    for (int i = 0; i < one.length; i++) {
      difference = Math.max(difference, Math.abs(one[i] - eight[i]));
    }
    // Adam divides by the root of tiny second moments, so rounding shows where a gradient is near
    // 0.
    assertTrue(difference < 1e-3, "weights differ by " + difference);
  }

  @Test
  void threadsDoNotChangeABit() {
    float[] one = train(config(16, 2, 10), DType.BF16, null, 1, new Recorder(() -> {}));
    float[] three = train(config(16, 2, 10), DType.BF16, null, 3, new Recorder(() -> {}));
    assertArrayEquals(one, three);
  }

  @Test
  void dropoutDependsOnTheSeed() {
    TrainerConfig base = config(16, 1, 3);
    TrainerConfig other =
        new TrainerConfig(16, 1, 3, 1, RATES, 1.0, 0, 4, true, Evaluations.every(0), 0);
    Recorder a = new Recorder(() -> {});
    Recorder b = new Recorder(() -> {});
    train(base, DType.F32, null, 2, a);
    train(other, DType.F32, null, 2, b);
    assertNotEquals(a.losses, b.losses);
  }

  @Test
  void theLossFalls() {
    Recorder recorder = new Recorder(() -> {});
    train(config(32, 1, 200), DType.BF16, 0f, 2, recorder);
    assertTrue(recorder.losses.get(199) < 0.5 * recorder.losses.get(0), recorder.losses::toString);
  }

  @Test
  void earlyStoppingWithoutValidationIsRefused() {
    TrainerConfig patient =
        new TrainerConfig(
            16,
            1,
            3,
            1,
            RATES,
            1.0,
            0,
            4,
            true,
            new Evaluations(Evaluations.When.EPOCH, 0, 2, "loss", true),
            0);
    assertThrows(
        IllegalArgumentException.class,
        () -> train(patient, DType.F32, null, 1, new Recorder(() -> {})));
  }

  /** Told to stop while it evaluates, a run saves; the next one evaluates first, and ends alike. */
  @Test
  void anEvaluationThatIsStoppedIsDueWhenTheRunGoesOn() {
    Saved saved = new Saved();
    List<String> undisturbed = new ArrayList<>();
    float[] expected = evaluated(undisturbed, saved, null, () -> false);
    assertEquals(List.of("2", "4", "5"), steps(undisturbed));

    List<String> heard = new ArrayList<>();
    int[] asked = {0};
    // Asked after steps 1 and 2; then between the batches of the evaluation.
    evaluated(heard, saved, null, () -> ++asked[0] > 2);
    assertEquals(List.of(), heard);
    assertEquals(2, saved.state.path("step").asLong());
    assertTrue(saved.state.path("evaluation_due").asBoolean());

    assertArrayEquals(expected, evaluated(heard, saved, saved.state, () -> false));
    assertEquals(undisturbed, heard);
  }

  private static List<String> steps(List<String> heard) {
    return heard.stream().map(line -> line.substring(0, line.indexOf(' '))).toList();
  }

  /** A checkpoint in memory. */
  private static final class Saved implements CheckpointSink {
    private ObjectNode state;
    private final Map<String, byte[]> buffers = new HashMap<>();

    @Override
    public void save(long step, ObjectNode json, Map<String, Buffer> contents) {
      state = json.deepCopy();
      contents.forEach(
          (name, buffer) -> buffers.put(name, Host.bytes(buffer, 0, (int) buffer.sizeBytes())));
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

    void restore(Map<String, Buffer> into) {
      into.forEach(
          (name, buffer) -> {
            ByteBuffer bytes = ByteBuffer.allocateDirect((int) buffer.sizeBytes());
            buffer.write(0, bytes.put(buffers.get(name)).flip());
          });
    }

    @Override
    public void saveBest(long step, Buffer weights) {}

    @Override
    public boolean loadBest(Buffer weights) {
      return false;
    }
  }

  /** A sink that saves in the background, which takes until it is asked twice. */
  private static final class Slow implements CheckpointSink {
    private final List<String> heard;
    private long begun; // 0: nothing
    private int asked;
    private final Map<String, Buffer> lent = new HashMap<>(); // nobody may change them
    private final Map<String, byte[]> asBegun = new HashMap<>();

    Slow(List<String> heard) {
      this.heard = heard;
    }

    @Override
    public void expect(Map<String, Buffer> buffers) {
      heard.add("expected");
    }

    @Override
    public boolean begin(
        long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting) {
      assertEquals(0, begun, "one at a time");
      heard.add("begin " + step);
      begun = step;
      asked = 0;
      lent.putAll(buffers);
      lent.keySet().removeAll(fleeting);
      lent.forEach((name, buffer) -> asBegun.put(name, bytes(buffer)));
      return true;
    }

    @Override
    public void release() {
      heard.add("released");
      assertTrue(lent.containsKey("weights") && lent.size() >= 3, lent::toString);
      lent.forEach((name, buffer) -> assertArrayEquals(asBegun.get(name), bytes(buffer), name));
      lent.clear();
    }

    private static byte[] bytes(Buffer buffer) {
      return Host.bytes(buffer, 0, (int) buffer.sizeBytes());
    }

    @Override
    public Optional<Ended> settled(boolean waits) {
      if (begun == 0 || (!waits && ++asked < 2)) {
        return Optional.empty();
      }
      Ended ended = new Ended(begun, null);
      begun = 0;
      return Optional.of(ended);
    }

    @Override
    public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
      assertEquals(0, begun, "one at a time");
      heard.add("save " + step);
    }

    @Override
    public void saveBest(long step, Buffer weights) {}

    @Override
    public boolean loadBest(Buffer weights) {
      return false;
    }
  }

  @Test
  void aCheckpointInTheBackgroundIsToldOfOnceItIsSafe() {
    assertEquals(
        List.of(
            "expected",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "told 4",
            "begin 4",
            "released",
            "step 5",
            "step 6",
            "safe 4",
            "step 7",
            "step 8",
            "told 8",
            "save 8",
            "safe 8"),
        savedSlowly(8));
  }

  @Test
  void aStopWaitsForTheCheckpointInTheBackground() {
    assertEquals(
        List.of(
            "expected",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "told 4",
            "begin 4",
            "released",
            "step 5",
            "safe 4",
            "told 5",
            "save 5",
            "safe 5"),
        savedSlowly(5));
  }

  /** What is heard of a run that saves every fourth step and is told to stop after one. */
  private static List<String> savedSlowly(int stopAfter) {
    List<String> heard = new ArrayList<>();
    TrainerConfig saving =
        new TrainerConfig(16, 1, 9, 1, RATES, 1.0, 0, 3, true, Evaluations.every(0), 4);
    TrainListener listener =
        new Recorder(() -> {}) {
          @Override
          public void onStep(Step step) {
            heard.add("step " + step.step());
          }

          @Override
          public void onCheckpointBegins(long step) {
            heard.add("told " + step);
          }

          @Override
          public void onCheckpoint(long step) {
            heard.add("safe " + step);
          }
        };
    int[] steps = {0};
    try (CpuBackend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, 0f);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 28), DType.F32, saving.seed())) {
      ModelWeights.load(folder, model, saving.seed());
      model.parameters().enableTraining();
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION, model, optimizer, tape, data(256), null, saving)) {
        trainer.run(listener, new Slow(heard), () -> ++steps[0] == stopAfter);
      }
    }
    return heard;
  }

  /** Five steps, an evaluation after every other; returns the weights. */
  private static float[] evaluated(
      List<String> heard, Saved saved, ObjectNode from, BooleanSupplier stop) {
    TrainerConfig config =
        new TrainerConfig(16, 1, 5, 1, RATES, 1.0, 0, 3, true, Evaluations.every(2), 0);
    TrainListener listener =
        new Recorder(() -> {}) {
          @Override
          public void onEvaluation(
              long step, double epoch, Map<String, Double> metrics, boolean best) {
            heard.add(step + " " + metrics);
          }
        };
    try (CpuBackend backend = new CpuBackend(2);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, 0.1f);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 28), DType.F32, config.seed());
        Inference inference = new Inference(backend)) {
      ModelWeights.load(folder, model, config.seed());
      model.parameters().enableTraining();
      Evaluator evaluator = new Evaluator(TestTasks.CLASSIFICATION, data(300), inference);
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION, model, optimizer, tape, data(256), evaluator, config)) {
        if (from != null) {
          saved.restore(trainer.buffers());
          trainer.resume(from, false);
        }
        trainer.run(listener, saved, stop);
      }
      return Host.floats(model.parameters().weights(), 0, (int) model.parameters().size());
    }
  }

  /**
   * 10,000 steps: native memory stays where it was, and a step leaves a few KiB for the collector.
   */
  @Test
  void memoryIsFlatOverTenThousandSteps() {
    int steps = 10_000;
    long[] resident = new long[2];
    long[] heap = new long[2];
    int[] step = new int[1];
    com.sun.management.ThreadMXBean threads =
        (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    train(
        config(8, 1, steps),
        DType.BF16,
        null,
        2,
        new TrainListener() {
          @Override
          public void onStep(Step at) {
            step[0]++;
            if (step[0] == 2_000 || step[0] == steps) {
              int index = step[0] == steps ? 1 : 0;
              System.gc();
              resident[index] = ProcessMemory.residentBytes();
              heap[index] = threads.getCurrentThreadAllocatedBytes();
            }
          }

          @Override
          public void onEvaluation(
              long s, double epoch, Map<String, Double> metrics, boolean best) {}

          @Override
          public void onCheckpoint(long s) {}
        });
    assertEquals(steps, step[0]);
    long grown = resident[1] - resident[0];
    assertTrue(grown < 16 << 20, "resident memory grew by " + (grown >> 20) + " MiB");
    long perStep = (heap[1] - heap[0]) / (steps - 2_000);
    // The records of kernel calls, which die young: some 150 bytes each.
    assertTrue(perStep < 32 << 10, perStep + " bytes of Java heap a step");
  }

  @Test
  void aCheckpointWithoutTheRateThatEvaluationsLedToIsRefused() {
    TrainerConfig config =
        new TrainerConfig(
            16,
            1,
            5,
            1,
            Rates.of(Schedule.Kind.REDUCE_LR_ON_PLATEAU, 1e-3, 0),
            1.0,
            0,
            3,
            true,
            Evaluations.every(2),
            0);
    try (CpuBackend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, 0.1f);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 28), DType.F32, config.seed());
        Inference inference = new Inference(backend)) {
      ModelWeights.load(folder, model, config.seed());
      model.parameters().enableTraining();
      Evaluator evaluator = new Evaluator(TestTasks.CLASSIFICATION, data(30), inference);
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(
                  TestTasks.CLASSIFICATION, model, optimizer, tape, data(64), evaluator, config)) {
        ObjectNode earlier = new TrainState().toJson();
        String refusal =
            assertThrows(InputException.class, () -> trainer.resume(earlier, false)).getMessage();
        assertTrue(refusal.contains("begun with another version of Attune"), refusal);
      }
    }
  }
}
