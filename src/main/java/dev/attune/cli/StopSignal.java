package dev.attune.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C (and SIGTERM) into a request, for commands that can stop in good order: the JVM's
 * shutdown waits until the command has saved its state and {@link Main} has closed this.
 */
final class StopSignal implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 120;

  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile boolean requested;

  /** From here on a signal is a request; before, it ends the process. */
  void arm() {
    Runtime.getRuntime().addShutdownHook(new Thread(this::hold, "attune-stop"));
  }

  boolean requested() {
    return requested;
  }

  private void hold() {
    requested = true;
    try {
      if (!finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("attune: the step did not end in time; nothing was saved");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    finished.countDown();
  }
}
