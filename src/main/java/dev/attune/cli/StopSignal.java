package dev.attune.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.storage.AtomicFile;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Turns Ctrl-C, SIGTERM and SIGHUP into a request, for commands that can stop in good order; the
 * process then ends with the status of the command. A second Ctrl-C ends it at once. Whoever sends
 * another signal cannot be asked again, so a command that does not end in time is ended.
 *
 * <p>While a command {@linkplain #preparing prepares}, there is nothing to save: it is given a
 * moment to see the request by itself, then what it reserved is released and the process ends. One
 * that {@linkplain #leaves never sees} requests ends at once. Either way what was being written
 * under another name goes.
 */
final class StopSignal implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 120;
  private static final long PREPARING_MILLIS = 400;
  private static final String INTERRUPT = "INT";

  private final boolean json;
  private final Deque<Runnable> reserved = new ArrayDeque<>();
  private String left = "stopped before the first step; nothing was changed";
  private String stopping = "stopping, with a checkpoint; Ctrl-C again stops at once, without";
  private long patienceMillis = PREPARING_MILLIS; // of who prepares
  private boolean prepares;
  private int toPrepare = 1; // runs
  private boolean trained; // the last step is done: what it gave is being written
  private final CountDownLatch finished = new CountDownLatch(1);
  private final AtomicBoolean requested = new AtomicBoolean();
  private volatile boolean ends; // the process
  private volatile boolean shutsDown; // the JVM, by itself

  /**
   * @param json whether a process that ends here owes its caller an object on standard output
   */
  StopSignal(boolean json) {
    this.json = json;
  }

  /**
   * The command sees no request: a signal ends it.
   *
   * @param whatIsLeft is told then
   */
  synchronized void leaves(String whatIsLeft) {
    left = whatIsLeft;
    patienceMillis = 0;
    prepares = true;
  }

  /**
   * How a command stops that saves no checkpoint.
   *
   * @param how is told once it is asked to
   */
  synchronized void stops(String how) {
    stopping = how;
  }

  /** From here on there is nothing to save, until {@link #prepared}. */
  synchronized void preparing() {
    prepares = true;
  }

  /** The same of several runs, none of which takes a step before all are prepared. */
  synchronized void preparing(int runs) {
    toPrepare = runs;
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
    toPrepare = 1;
    trained = false;
  }

  /** From here on a request is seen by the command, which stops in good order. */
  synchronized void prepared() {
    if (requested()) {
      end();
    }
    isPrepared();
  }

  /** One of several runs has ended before it was prepared: no other waits for it. */
  synchronized void ended() {
    isPrepared();
  }

  private void isPrepared() {
    toPrepare--;
    prepares = toPrepare > 0;
  }

  /** From here on a request comes too late for a checkpoint: the run ends by itself, and saves. */
  synchronized void trained() {
    trained = true;
    if (requested()) {
      System.err.println("attune: " + stopping()); // that was not foreseen when it was requested
    }
  }

  /** What a request leads to now. */
  synchronized String stopping() {
    return trained
        ? "that was the last step; the results are written before it stops. Ctrl-C again stops at"
            + " once, without them"
        : stopping;
  }

  /** Whether a signal ends the process, since there is nothing to save. */
  synchronized boolean prepares() {
    return prepares;
  }

  /** Ends the process if it still prepares after a moment. */
  private void endPreparation() {
    try {
      if (finished.await(patienceMillis, TimeUnit.MILLISECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      if (prepares && finished.getCount() > 0) {
        end();
      }
    }
  }

  /** Nobody may begin anything meanwhile: this object's lock is held. */
  private void end() {
    ends = true;
    for (Runnable release : reserved) {
      release.run();
    }
    AtomicFile.deleteUnfinished();
    System.err.println("attune: " + left);
    if (json) {
      System.out.println(JsonNodeFactory.instance.objectNode().put("error", left));
      System.out.flush();
    }
    if (shutsDown) {
      Runtime.getRuntime().halt(ExitStatus.INTERRUPTED); // an exit would wait for this very thread
    }
    System.exit(ExitStatus.INTERRUPTED);
  }

  /** From here on a signal is a request; before, it ends the process. */
  void arm() {
    handle(INTERRUPT);
    handle("TERM");
    handle("HUP");
    Runtime.getRuntime().addShutdownHook(new Thread(this::hold, "attune-stop"));
  }

  boolean requested() {
    return requested.get();
  }

  /**
   * The JVM's own answer to a signal is its shutdown, in which it hears no second Ctrl-C, and whose
   * status is not the command's. By reflection, as the compiler warns of the class without a way to
   * say that it is meant; where a JVM has no such class, or the process was told to ignore the
   * signal, it stays as it is.
   */
  private void handle(String name) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object onSignal =
          Proxy.newProxyInstance(
              StopSignal.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) -> {
                if (method.getName().equals("handle")) {
                  heard(name);
                }
                return null;
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), onSignal);
    } catch (ReflectiveOperationException | LinkageError | IllegalArgumentException ignored) {
      // The signal stays what it was.
    }
  }

  private void heard(String name) {
    boolean isInterrupt = name.equals(INTERRUPT);
    if (!requested.compareAndSet(false, true)) {
      if (isInterrupt) {
        Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
      }
      return;
    }
    if (isInterrupt) {
      System.err.println(); // the terminal has shown ^C
    }
    request();
    if (!isInterrupt) {
      awaitFinish();
    }
  }

  private void request() {
    if (finished.getCount() == 0) {
      return; // all is done, and the process about to end by itself
    }
    if (prepares()) {
      endPreparation();
    } else {
      System.err.println("attune: " + stopping());
    }
  }

  private void awaitFinish() {
    try {
      if (!finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("attune: the step did not end in time; nothing was saved");
        Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The JVM's own shutdown waits for the command. */
  private void hold() {
    if (ends || finished.getCount() == 0) {
      return;
    }
    shutsDown = true;
    if (requested.compareAndSet(false, true)) {
      request();
    }
    awaitFinish();
  }

  /** The command is done: a signal changes nothing any more. */
  @Override
  public synchronized void close() {
    finished.countDown();
  }
}
