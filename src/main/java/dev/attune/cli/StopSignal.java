package dev.attune.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.storage.AtomicFile;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Turns Ctrl-C, SIGTERM and SIGHUP into a request, for commands that can stop in good order; the
 * process then ends with the status of the command. A second Ctrl-C ends it at once. Whoever sends
 * another signal cannot be asked again, so a command that does not end in time is ended.
 *
 * <p>A process that nothing is to be waited for in ends though it be stuck in what it writes, as it
 * is where nobody reads its output.
 *
 * <p>While a command {@linkplain #preparing prepares}, there is nothing to save: it is given a
 * moment to see the request by itself, then what it reserved is released and the process ends. One
 * that {@linkplain #leaves never sees} requests ends at once. Either way what was being written
 * under another name goes.
 */
final class StopSignal implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 120;
  private static final long PREPARING_MILLIS = 400;
  private static final long STUCK_MILLIS = 10_000; // an end takes far less
  private static final String INTERRUPT = "INT";

  private final boolean json;
  private final long stuckMillis;
  private final Deque<Runnable> reserved = new ArrayDeque<>();
  private String left = "stopped before the first step; nothing was changed";
  private String stopping = "stopping, with a checkpoint; Ctrl-C again stops at once, without";
  private String late =
      "the step in hand did not end in time and is not saved; earlier checkpoints are as they were";
  private long patienceMillis = PREPARING_MILLIS; // of who prepares
  private boolean prepares;
  private int toPrepare = 1; // runs
  private int toTrain = 1; // of those; at 0 the last step is done, and what it gave being written
  private final CountDownLatch finished = new CountDownLatch(1);
  private final AtomicBoolean requested = new AtomicBoolean();
  private volatile boolean inOrder; // the command was asked to stop, and is waited for
  private volatile boolean ends; // the process
  private volatile boolean shutsDown; // the JVM, by itself

  /**
   * @param json whether a process that ends here owes its caller an object on standard output
   */
  StopSignal(boolean json) {
    this(json, STUCK_MILLIS);
  }

  /** The same, which takes a process for stuck that has not ended by then. */
  StopSignal(boolean json, long stuckMillis) {
    this.json = json;
    this.stuckMillis = stuckMillis;
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
   * @param tooLate is told where it does not end, and is ended
   */
  synchronized void stops(String how, String tooLate) {
    stopping = how;
    late = tooLate;
  }

  /** From here on there is nothing to save, until {@link #prepared}. */
  synchronized void preparing() {
    prepares = true;
  }

  /** The same of several runs, none of which changes anything before all are prepared. */
  synchronized void preparing(int runs) {
    toPrepare = runs;
    toTrain = runs;
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
    toTrain = 1;
  }

  /** From here on a request is seen by the command, which stops in good order. */
  synchronized void prepared() {
    if (requested()) {
      end();
    }
    isPrepared();
  }

  /** One of several runs has ended before its last step: no other waits for it. */
  synchronized void ended(boolean wasPrepared) {
    toTrain--;
    if (!wasPrepared) {
      isPrepared();
    }
  }

  private void isPrepared() {
    toPrepare--;
    prepares = toPrepare > 0;
  }

  /** From here on a request comes too late for a checkpoint: the run ends by itself, and saves. */
  synchronized void trained() {
    toTrain--;
    if (isTrained() && requested()) {
      System.err.println("attune: " + stopping()); // that was not foreseen when it was requested
    }
  }

  private synchronized boolean isTrained() {
    return toTrain <= 0;
  }

  /** What a request leads to now. */
  synchronized String stopping() {
    return isTrained()
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
      if (finished.getCount() == 0) {
        return;
      }
      if (prepares) {
        end();
      }
    }
    stopInOrder(); // the last of several runs to be prepared was refused meanwhile
  }

  private void stopInOrder() {
    inOrder = true;
    System.err.println("attune: " + stopping());
  }

  /** Nobody may begin anything meanwhile: this object's lock is held. */
  private void end() {
    ends = true;
    for (Runnable release : reserved) {
      release.run();
    }
    AtomicFile.deleteUnfinished();
    say(left);
    if (shutsDown) {
      Runtime.getRuntime().halt(ExitStatus.INTERRUPTED); // an exit would wait for this very thread
    }
    System.exit(ExitStatus.INTERRUPTED);
  }

  private void say(String why) {
    System.err.println("attune: " + why);
    if (json) {
      System.out.println(JsonNodeFactory.instance.objectNode().put("error", why));
      System.out.flush();
    }
  }

  /** From here on a signal is a request; before, it ends the process. */
  void arm() {
    handle(INTERRUPT);
    handle("TERM");
    handle("HUP");
    try {
      Runtime.getRuntime().addShutdownHook(new Thread(this::hold, "attune-stop"));
    } catch (IllegalStateException e) {
      while (true) { // a signal came just before: the process ends, and nothing is to begin in it
        LockSupport.park(this);
      }
    }
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
    request(isInterrupt ? System.lineSeparator() : ""); // the terminal has shown ^C
    if (!isInterrupt) {
      awaitFinish();
    }
  }

  private void request(String begin) {
    endStuck();
    boolean isPreparing = prepares();
    inOrder = !isPreparing;
    System.err.print(begin);
    if (finished.getCount() == 0) {
      return; // all is done, and the process about to end by itself
    }
    if (isPreparing) {
      endPreparation();
    } else {
      stopInOrder();
    }
  }

  /** Who writes results is waited for however long that takes: nothing else has them. */
  private void awaitFinish() {
    try {
      while (!finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        if (!isTrained()) {
          inOrder = false;
          endStuck();
          say(late);
          Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Sees to it that the process ends, whoever holds what its end would wait for. */
  private void endStuck() {
    Thread thread = new Thread(this::awaitEnd, "attune-stuck");
    thread.setDaemon(true);
    thread.start();
  }

  private void awaitEnd() {
    try {
      sleepToBeStuck();
      if (inOrder) {
        finished.await();
        sleepToBeStuck();
      }
      Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** In pieces, of which one alone passes while the whole process is held, as by Ctrl-Z. */
  private void sleepToBeStuck() throws InterruptedException {
    for (int i = 0; i < 100; i++) {
      Thread.sleep(stuckMillis / 100);
    }
  }

  /** The JVM's own shutdown waits for the command. */
  private void hold() {
    if (ends || finished.getCount() == 0) {
      return;
    }
    shutsDown = true;
    if (requested.compareAndSet(false, true)) {
      request("");
    }
    awaitFinish();
  }

  /** The command is done: a signal changes nothing any more. */
  @Override
  public synchronized void close() {
    finished.countDown();
  }
}
