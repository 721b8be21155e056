package dev.attune.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C and SIGTERM into a request, for commands that can stop in good order. A second
 * Ctrl-C ends the process at once. After SIGTERM the JVM's shutdown waits until the command has
 * saved its state and {@link Main} has closed this.
 *
 * <p>While a command {@linkplain #preparing prepares}, there is nothing to save: it is given a
 * moment to see the request by itself, then what it reserved is released and the process ends.
 */
final class StopSignal implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 120;
  private static final long PREPARING_MILLIS = 400;

  private final boolean json;
  private final Deque<Runnable> reserved = new ArrayDeque<>();
  private String left = "stopped before the first step; nothing was changed";
  private boolean prepares;
  private boolean trained; // the last step is done: what it gave is being written
  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile boolean requested;

  /**
   * @param json whether a process that ends here owes its caller an object on standard output
   */
  StopSignal(boolean json) {
    this.json = json;
  }

  /** From here on there is nothing to save, until {@link #prepared}. */
  synchronized void preparing() {
    prepares = true;
  }

  /** The same, with what is to be released where the process ends there. */
  synchronized void preparing(Runnable release) {
    reserved.push(release);
    prepares = true;
  }

  /** The same, with what is told where the process ends there. */
  synchronized void preparing(String whatIsLeft) {
    left = whatIsLeft;
    prepares = true;
    trained = false;
  }

  /** From here on a request is seen by the command, which stops in good order. */
  synchronized void prepared() {
    if (requested) {
      end();
    }
    prepares = false;
  }

  /** One of several runs has ended, whatever it was at: the others see a request by themselves. */
  synchronized void ended() {
    prepares = false;
  }

  /** From here on a request comes too late for a checkpoint: the run ends by itself, and saves. */
  synchronized void trained() {
    trained = true;
    if (requested) {
      System.err.println("attune: " + stopping()); // that was not foreseen when it was requested
    }
  }

  /** What a request leads to now. */
  synchronized String stopping() {
    return trained
        ? "that was the last step; the results are written before it stops. Ctrl-C again stops at"
            + " once, without them"
        : "stopping, with a checkpoint; Ctrl-C again stops at once, without";
  }

  private synchronized boolean prepares() {
    return prepares;
  }

  /** Ends the process if it still prepares after a moment. */
  private void endPreparation() {
    if (!prepares()) {
      return;
    }
    try {
      if (finished.await(PREPARING_MILLIS, TimeUnit.MILLISECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      if (prepares) {
        end();
      }
    }
  }

  private void end() {
    for (Runnable release : reserved) {
      release.run();
    }
    System.err.println("attune: " + left);
    if (json) {
      System.out.println(JsonNodeFactory.instance.objectNode().put("error", left));
    }
    Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
  }

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
    if (prepares()) {
      endPreparation();
    } else {
      System.err.println("attune: " + stopping());
    }
  }

  private void hold() {
    if (finished.getCount() == 0) {
      return;
    }
    requested = true;
    endPreparation();
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
