package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.attune.data.DataReport;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunListener;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Many short runs in one process, as a server or a search makes them: train, evaluate, save, open,
 * predict, refuse; and one of many steps, with a checkpoint after each hundred. What is left of
 * each is nothing: tools/endure.sh says how many.
 */
@Tag("nightly")
@Timeout(36_000)
class EnduranceTest extends ApiTrial {
  private static final int RUNS = Integer.getInteger("attune.endurance.runs", 300);
  private static final int STEPS = Integer.getInteger("attune.endurance.steps", 3000);

  /** From one checkpoint to the next. */
  private static final int SAVED = 100;

  /** Of resident memory beside the heap, over the runs after the first third. */
  private static final long MOST_GROWTH_BYTES = 24L << 20;

  private static final int LOOKS = 20;
  private static final long LOOK_NANOS = 50_000_000;

  private record Held(long nativeBytes, long heapBytes, long handles, long threads) {
    static Held now() {
      for (int i = 0; i < 3; i++) {
        System.gc(); // mapped files are unmapped by the collector
      }
      Runtime java = Runtime.getRuntime();
      var system = (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      return new Held(
          OwnMemory.besideHeapBytes(),
          java.totalMemory() - java.freeMemory(),
          least(system::getOpenFileDescriptorCount),
          least(ManagementFactory.getThreadMXBean()::getThreadCount));
    }

    /** Of some looks: what ends by itself, as who writes a checkpoint does, is not left behind. */
    private static long least(LongSupplier count) {
      long least = count.getAsLong();
      for (int i = 0; i < LOOKS; i++) {
        LockSupport.parkNanos(LOOK_NANOS);
        least = Math.min(least, count.getAsLong());
      }
      return least;
    }

    /** Nothing has come to what was held before. */
    void isAsAt(Held before, String when) {
      System.out.printf("endured: %s: %s, and now %s%n", when, before, this);
      assertTrue(handles <= before.handles, "open files");
      assertTrue(threads <= before.threads, "threads");
      long outside = nativeBytes - before.nativeBytes;
      assertTrue(outside < MOST_GROWTH_BYTES, "native memory grew by " + outside + " bytes");
      long heap = heapBytes - before.heapBytes;
      assertTrue(heap < 4 << 20, "the heap grew by " + heap + " bytes");
    }
  }

  @Test
  void manyRunsInOneProcessLeaveNothingBehind() throws Exception {
    byte[] first = null;
    Held before = null;
    int settled = RUNS / 3;
    for (int run = 0; run < RUNS; run++) {
      byte[] weights = oneRun(folder.resolve("run"));
      first = first == null ? weights : first;
      assertTrue(java.util.Arrays.equals(first, weights), "run " + run + " has other weights");
      if (run == settled) {
        before = Held.now();
      }
    }
    Held.now().isAsAt(before, "after " + RUNS + " runs, of which " + (settled + 1) + " before");
  }

  @Test
  void manyStepsWithCheckpointsLeaveNothingBehind() throws Exception {
    long settled = STEPS / 3 / SAVED * SAVED;
    long last = (STEPS - 1) / SAVED * SAVED;
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    config.set(RunOption.MODEL, model);
    config.set(RunOption.TRAIN_FILE, file.toString());
    config.set(RunOption.VALIDATION_FILE, file.toString());
    config.set(RunOption.OUTPUT_DIR, folder.resolve("long").toString());
    config.set(RunOption.BATCH_SIZE, "16");
    config.set(RunOption.LEARNING_RATE, "1e-4");
    config.set(RunOption.MAX_STEPS, "" + STEPS);
    config.set(RunOption.SAVE_STEPS, "" + SAVED);
    config.set(RunOption.EVAL_STEPS, "" + 10 * SAVED);
    config.set(RunOption.LOAD_BEST_MODEL_AT_END, "true");
    config.set(RunOption.RUN_STORE, folder.resolve("runs").toString());
    config.set(RunOption.REPORT_TO, "tensorboard");
    Map<Long, Held> held = new HashMap<>();
    List<Long> saved = new ArrayList<>();
    RunListener listener =
        new QuietListener() {
          @Override
          public void onCheckpoint(long step) {
            saved.add(step);
            if (step == settled || step == last) {
              held.put(step, Held.now());
            }
          }
        };
    new TrainRun(config.build(), listener, () -> false).run();
    assertEquals(last / SAVED, saved.size());
    held.get(last).isAsAt(held.get(settled), STEPS + " steps, from step " + settled + " on");
  }

  private static byte[] oneRun(Path output) throws Exception {
    trainer()
        .train(examples)
        .validation(examples.subList(0, 16))
        .maxSteps(4)
        .option("save-steps", "2")
        .saveTo(output);
    byte[] weights = weights(output);
    try (Classifier classifier = Classifier.open(output)) {
      classifier.predict(List.of("a good phone", "a bad chair"));
    }
    refused(() -> trainer().train(List.of(new LabeledText("a", "b"))).saveTo(output));
    try (Stream<Path> files = Files.walk(output)) {
      for (Path each : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
    return weights;
  }

  private abstract static class QuietListener implements RunListener {
    @Override
    public void onNote(String note) {}

    @Override
    public void onDataReport(DataReport report) {}

    @Override
    public void onModel(String name, long parameters, String backend, String precision) {}

    @Override
    public void onStep(Step step) {}

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}
  }
}
