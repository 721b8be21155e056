package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A folder has one writer at a time. */
class FolderLockTest {
  @TempDir Path scratch;

  @Test
  void aSecondWriterOfThisProcessIsToldWhoHoldsIt() throws IOException {
    FolderLock first = FolderLock.take(scratch);
    Path roundabout = scratch.resolve("..").resolve(scratch.getFileName());
    InputException e = assertThrows(InputException.class, () -> FolderLock.take(roundabout));
    String me = "process " + ProcessHandle.current().pid();
    assertTrue(e.getMessage().contains(me), e.getMessage());
    first.close();
    first.close(); // twice is fine
    FolderLock.take(scratch).close();
    try (var left = Files.list(scratch)) {
      assertEquals(List.of(), left.toList(), "nothing is left behind");
    }
  }

  @Test
  void whatAKilledProcessLeftIsTakenOver() throws IOException {
    Files.writeString(scratch.resolve(".attune.lock"), "process 1 on elsewhere");
    FolderLock.take(scratch).close();
    assertFalse(Files.exists(scratch.resolve(".attune.lock")));
  }

  /** The lock file comes and goes with each holder; never are there two. */
  @Test
  void manyProcessesNeverHoldItTogether() throws IOException, InterruptedException {
    Path count = Files.writeString(scratch.resolve("count"), "0");
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Holder.class.getName(),
                  scratch.toString())
              .inheritIO()
              .start());
    }
    for (Process process : processes) {
      assertEquals(0, process.waitFor());
    }
    assertEquals(Integer.toString(3 * Holder.ROUNDS), Files.readString(count));
  }

  /** Adds one to a number in a file, under the lock, again and again. */
  static final class Holder {
    static final int ROUNDS = 60;

    public static void main(String[] args) throws IOException {
      Path folder = Path.of(args[0]);
      Path count = folder.resolve("count");
      for (int done = 0; done < ROUNDS; ) {
        try {
          FolderLock lock = FolderLock.take(folder);
          int value = Integer.parseInt(Files.readString(count));
          Thread.onSpinWait();
          Files.writeString(count, Integer.toString(value + 1));
          done++;
          lock.close();
        } catch (InputException inUse) {
          Thread.onSpinWait();
        }
      }
    }
  }

  @Test
  void ofManyThreadsOneGetsIt() throws InterruptedException {
    AtomicInteger held = new AtomicInteger();
    AtomicInteger refused = new AtomicInteger();
    CountDownLatch allTried = new CountDownLatch(8);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  FolderLock lock = FolderLock.take(scratch);
                  held.incrementAndGet();
                  allTried.countDown();
                  allTried.await();
                  lock.close();
                } catch (InputException e) {
                  refused.incrementAndGet();
                  allTried.countDown();
                } catch (IOException | InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(1, held.get());
    assertEquals(7, refused.get());
  }
}
