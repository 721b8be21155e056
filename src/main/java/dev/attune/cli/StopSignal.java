package dev.attune.cli;

import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C and SIGTERM into a request, for commands that can stop in good order. A second
 * Ctrl-C ends the process at once. After SIGTERM the JVM's shutdown waits until the command has
 * saved its state and {@link Main} has closed this.
 */
final class StopSignal implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 120;

  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile boolean requested;

  /** From here on a signal is a request; before, it ends the process. */
  void arm() {
    handleInterrupts();
    Runtime.getRuntime().addShutdownHook(new Thread(this::hold, "attune-stop"));
  }

  boolean requested() {
    return requested;
  }

  /**
   * Once the JVM's own shutdown has begun, it hears no second Ctrl-C, so this handles them itself.
   * By reflection, as the compiler warns of the class without a way to say that it is meant; where
   * a JVM has no such class, Ctrl-C is what SIGTERM is.
   */
  private void handleInterrupts() {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object onInterrupt =
          Proxy.newProxyInstance(
              StopSignal.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) -> {
                if (method.getName().equals("handle")) {
                  interrupted();
                }
                return null;
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance("INT"), onInterrupt);
    } catch (ReflectiveOperationException | LinkageError | IllegalArgumentException ignored) {
      // Ctrl-C stays what it was.
    }
  }

  private void interrupted() {
    if (requested) {
      Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
    }
    requested = true;
    System.err.println();
    System.err.println("attune: stopping, with a checkpoint; Ctrl-C again stops at once, without");
  }

  private void hold() {
    if (finished.getCount() == 0) {
      return;
    }
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
