package dev.attune;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Runs a piece of work on a thread of its own, and what that wants to tell on the calling thread.
 * So an interrupt of the caller is a request, which the work can answer by saving what it has: on
 * the caller's own thread it would close the very files that are being written.
 */
final class RunThread {
  private final BlockingQueue<FutureTask<?>> calls = new LinkedBlockingQueue<>();
  private final AtomicBoolean interrupted = new AtomicBoolean();

  /** Does the work; returns when it is done. An interrupt that came meanwhile is set again then. */
  static <T> T run(String name, Function<RunThread, T> work) {
    return new RunThread().toEnd(name, work);
  }

  private <T> T toEnd(String name, Function<RunThread, T> work) {
    FutureTask<Void> end = new FutureTask<>(() -> null);
    FutureTask<T> result =
        new FutureTask<>(() -> work.apply(this)) {
          @Override
          protected void done() {
            calls.add(end);
          }
        };
    Thread thread = new Thread(result, name);
    thread.setDaemon(true);
    thread.setContextClassLoader(Thread.currentThread().getContextClassLoader());
    thread.start();
    try {
      FutureTask<?> call = null;
      while (call != end) {
        try {
          call = calls.take();
          call.run();
        } catch (InterruptedException e) {
          interrupted.set(true);
        }
      }
      return get(result);
    } finally {
      if (interrupted.get()) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Whether the caller was interrupted. */
  boolean isInterrupted() {
    return interrupted.get();
  }

  /** Calls back on the calling thread, and waits for what it says. */
  <T> T onCaller(Supplier<T> call) {
    FutureTask<T> task = new FutureTask<>(call::get);
    calls.add(task);
    return get(task);
  }

  private static <T> T get(FutureTask<T> task) {
    boolean again = false;
    try {
      while (true) {
        try {
          return task.get();
        } catch (InterruptedException e) {
          again = true;
        } catch (ExecutionException e) {
          if (e.getCause() instanceof RuntimeException cause) {
            throw cause;
          }
          if (e.getCause() instanceof Error cause) {
            throw cause;
          }
          throw new IllegalStateException(e.getCause());
        }
      }
    } finally {
      if (again) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
