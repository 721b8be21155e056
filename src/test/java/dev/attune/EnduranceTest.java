package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.attune.run.ProcessMemory;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Many short runs in one process, as a server or a search makes them: train, evaluate, save, open,
 * predict, refuse. What is left of each is nothing: tools/endure.sh says how many.
 */
@Tag("nightly")
@Timeout(36_000)
class EnduranceTest extends ApiTrial {
  private static final int RUNS = Integer.getInteger("attune.endurance.runs", 300);

  /** Of resident memory, over all runs after the first third: what the allocator rounds. */
  private static final long MOST_GROWTH_BYTES = 24L << 20;

  private record Held(long residentBytes, long heapBytes, long handles, int threads) {
    static Held now() {
      for (int i = 0; i < 3; i++) {
        System.gc(); // mapped files are unmapped by the collector
      }
      Runtime java = Runtime.getRuntime();
      var system =
          (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      return new Held(
          ProcessMemory.residentBytes(),
          java.totalMemory() - java.freeMemory(),
          system.getOpenFileDescriptorCount(),
          ManagementFactory.getThreadMXBean().getThreadCount());
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
    Held after = Held.now();
    System.out.printf("%d runs; after %d: %s; at the end: %s%n", RUNS, settled + 1, before, after);
    assertEquals(before.handles(), after.handles(), "open files");
    assertEquals(before.threads(), after.threads(), "threads");
    long resident = after.residentBytes() - before.residentBytes();
    assertTrue(resident < MOST_GROWTH_BYTES, "resident memory grew by " + resident + " bytes");
    long heap = after.heapBytes() - before.heapBytes();
    assertTrue(heap < 4 << 20, "the heap grew by " + heap + " bytes");
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
}
