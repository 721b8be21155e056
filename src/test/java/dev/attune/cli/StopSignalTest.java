package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What Ctrl-C is answered with. */
class StopSignalTest {
  private static final int BAD = 9;

  @TempDir Path scratch;

  /** None of them has changed anything before. */
  @Test
  void severalRunsArePreparedOnceTheLastIs() {
    try (StopSignal signal = new StopSignal(false)) {
      signal.preparing(3);
      signal.prepared();
      signal.ended(false); // refused
      assertTrue(signal.prepares());
      signal.prepared();
      assertFalse(signal.prepares());
    }
  }

  @Test
  void aCheckpointIsPromisedOnlyWhereThereWillBeOne() {
    try (StopSignal signal = new StopSignal(false)) {
      signal.preparing("nothing yet");
      signal.prepared();
      assertTrue(signal.stopping().startsWith("stopping, with a checkpoint"), signal.stopping());
      signal.trained();
      assertTrue(signal.stopping().contains("the results are written"), signal.stopping());
      String after = signal.stopping();
      signal.preparing("the next fold");
      signal.prepared();
      assertTrue(signal.stopping().startsWith("stopping, with a checkpoint"), signal.stopping());
      signal.trained();
      assertEquals(after, signal.stopping());
    }
  }

  @Test
  void severalRunsAreTrainedOnceTheLastIs() {
    try (StopSignal signal = new StopSignal(false)) {
      signal.preparing(3);
      signal.ended(false); // refused
      signal.prepared();
      signal.prepared();
      signal.trained();
      assertTrue(signal.stopping().startsWith("stopping, with a checkpoint"), signal.stopping());
      signal.ended(true); // has diverged
      assertTrue(signal.stopping().contains("the results are written"), signal.stopping());
    }
  }

  private Process child(String way) throws Exception {
    return new ProcessBuilder(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName(),
                way))
        .redirectError(scratch.resolve("err.txt").toFile())
        .start();
  }

  private String said() throws Exception {
    return Files.readString(scratch.resolve("err.txt"));
  }

  /** Nobody reads the child's output, whose lock the write of its main thread holds. */
  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aProcessThatIsStuckInItsOutputEnds() throws Exception {
    for (String way : List.of("prepares", "finished")) {
      Process child = child(way);
      try {
        while (!said().contains("armed") && child.isAlive()) {
          Thread.sleep(10);
        }
        assertTrue(child.isAlive(), this::err);
        child.toHandle().destroy(); // SIGTERM, and its output stays open
        assertTrue(child.waitFor(120, TimeUnit.SECONDS), "it does not end");
        assertEquals(ExitStatus.INTERRUPTED, child.exitValue(), this::err);
      } finally {
        child.destroyForcibly();
      }
    }
  }

  /** A signal that came before anybody listened. */
  @Test
  void aProcessThatEndsAlreadyBeginsNothingAndComplainsOfNothing() throws Exception {
    Process child = child("ends");
    try {
      assertTrue(child.waitFor(120, TimeUnit.SECONDS), "it does not end");
      assertEquals(ExitStatus.FAILED, child.exitValue(), this::err);
      assertFalse(said().contains("Exception") || said().contains("went on"), this::err);
    } finally {
      child.destroyForcibly();
    }
  }

  private String err() {
    try {
      return said();
    } catch (Exception e) {
      return e.toString();
    }
  }

  /** A process that is told to end. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) throws Exception {
      StopSignal signal = new StopSignal(true, 500);
      if (args[0].equals("ends")) {
        CountDownLatch begun = new CountDownLatch(1);
        Runtime.getRuntime()
            .addShutdownHook(
                new Thread(
                    () -> {
                      begun.countDown();
                      pause();
                    }));
        new Thread(() -> System.exit(ExitStatus.FAILED)).start();
        begun.await();
        signal.arm();
        System.err.println("went on");
        return;
      }
      signal.leaves("stopped");
      signal.arm();
      if (args[0].equals("finished")) {
        signal.close();
      }
      System.err.println("armed");
      System.out.write("more than a pipe holds".repeat(100_000).getBytes(StandardCharsets.UTF_8));
      System.exit(BAD);
    }

    private static void pause() {
      try {
        Thread.sleep(1000);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
