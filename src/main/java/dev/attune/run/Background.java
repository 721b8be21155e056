package dev.attune.run;

import java.util.function.Consumer;
import java.util.function.Supplier;

/** A computation on a thread of its own, whose failure surfaces where the result is taken. */
final class Background<T> {
  private final Thread thread;
  private T result;
  private Throwable failure;

  private Background(String name, Supplier<T> work) {
    thread =
        new Thread(
            () -> {
              try {
                result = work.get();
              } catch (Throwable e) {
                failure = e;
              }
            },
            name);
    thread.setDaemon(true);
  }

  static <T> Background<T> start(String name, Supplier<T> work) {
    Background<T> background = new Background<>(name, work);
    background.thread.start();
    return background;
  }

  /** Whether {@link #join} would wait. */
  boolean isRunning() {
    return thread.isAlive();
  }

  /** Waits for the result; rethrows what the work threw. */
  T join() {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
    return ended();
  }

  /** The same, also while this thread is interrupted, which it is still told of afterwards. */
  T joinUninterruptibly() {
    boolean isInterrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
    return ended();
  }

  /** Rethrows what the work threw, where it has ended; does not wait. */
  void throwIfFailed() {
    if (!isRunning()) {
      ended();
    }
  }

  /** Waits, where something else has failed, and closes the result; rethrows as {@link #join}. */
  void discard(Consumer<T> closing) {
    closing.accept(joinUninterruptibly());
  }

  private T ended() {
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    return result;
  }
}
