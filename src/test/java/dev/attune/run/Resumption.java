package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;

/** Runs that are stopped and go on. */
final class Resumption {
  private static final String STEPS = "16";
  private static final int STOP = 13; // of 160 rows in the second epoch

  private Resumption() {}

  /**
   * A run that is stopped in its second epoch, whose random choices are others than those of the
   * first, and goes on with more threads must end as one that nothing stopped.
   *
   * @param run into a folder, over 160 rows
   */
  static void assertSameBytes(Path scratch, Function<Path, RecordedRun> run) throws IOException {
    Path whole = scratch.resolve("whole");
    run.apply(whole).with(RunOption.MAX_STEPS, STEPS).run();
    Path broken = scratch.resolve("broken");
    run.apply(broken).with(RunOption.MAX_STEPS, STEPS).stoppedAfter(STOP).run();
    RecordedRun resumed =
        run.apply(broken)
            .with(RunOption.MAX_STEPS, STEPS)
            .with(RunOption.RESUME)
            .with(RunOption.THREADS, "2");
    resumed.run();
    assertTrue(resumed.notes().contains("resuming after step " + STOP), resumed.notes()::toString);
    assertArrayEquals(weights(whole), weights(broken));
    assertEquals(
        Files.readString(whole.resolve("metrics.jsonl")),
        Files.readString(broken.resolve("metrics.jsonl")));
  }

  static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }
}
