package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.ProcessMemory;
import dev.attune.testkit.TinyModel;
import dev.attune.train.LoopTrial.Recorder;
import dev.attune.train.TrainerConfig.Evaluations;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The loop itself, on a tiny model. */
class TrainingLoopTest {
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
        batchSize,
        1,
        steps,
        accumulation,
        LoopTrial.RATES,
        1.0,
        0,
        3,
        true,
        Evaluations.every(0),
        0);
  }

  private static float[] train(
      TrainerConfig config, DType dtype, Float dropout, int threads, TrainListener listener) {
    try (LoopTrial trial = new LoopTrial(folder, config, dtype, dropout, threads)) {
      trial.loop().run(listener, null, () -> false);
      return trial.weights();
    }
  }

  @Test
  void eightSmallBatchesGiveTheStepOfOneLargeBatch() {
    Recorder whole = new Recorder(() -> {});
    Recorder parts = new Recorder(() -> {});
    float[] one = train(config(32, 1, 6), DType.F32, 0f, 2, whole);
    float[] eight = train(config(4, 8, 6), DType.F32, 0f, 2, parts);
    assertEquals(6, whole.losses().size());
    for (int i = 0; i < 6; i++) {
      assertEquals(whole.losses().get(i), parts.losses().get(i), 2e-5 * whole.losses().get(i));
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
        new TrainerConfig(16, 1, 3, 1, LoopTrial.RATES, 1.0, 0, 4, true, Evaluations.every(0), 0);
    Recorder a = new Recorder(() -> {});
    Recorder b = new Recorder(() -> {});
    train(base, DType.F32, null, 2, a);
    train(other, DType.F32, null, 2, b);
    assertNotEquals(a.losses(), b.losses());
  }

  @Test
  void theLossFalls() {
    Recorder recorder = new Recorder(() -> {});
    train(config(32, 1, 200), DType.BF16, 0f, 2, recorder);
    assertTrue(
        recorder.losses().get(199) < 0.5 * recorder.losses().get(0), recorder.losses()::toString);
  }

  @Test
  void earlyStoppingWithoutValidationIsRefused() {
    TrainerConfig patient =
        new TrainerConfig(
            16,
            1,
            3,
            1,
            LoopTrial.RATES,
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
}
