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

  /** Of resident memory beside the heap, over the runs after the first third. */
  private static final long MOST_GROWTH_BYTES = 24L << 20;

  private record Held(long nativeBytes, long heapBytes, long handles, int threads) {
    static Held now() {
      for (int i = 0; i < 3; i++) {
        System.gc(); // mapped files are unmapped by the collector
      }
      Runtime java = Runtime.getRuntime();
      var system = (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      return new Held(
          // The collector keeps what it once had of the heap, and touches more of it with time.
          ProcessMemory.residentBytes() - java.totalMemory(),
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
    long outside = after.nativeBytes() - before.nativeBytes();
    assertTrue(outside < MOST_GROWTH_BYTES, "native memory grew by " + outside + " bytes");
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
