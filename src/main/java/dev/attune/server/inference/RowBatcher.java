package dev.attune.server.inference;

import dev.attune.core.Check;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/**
 * Brings together what several callers ask of a model within a few milliseconds. A caller that
 * finds the model idle waits for no longer than the window; while the model works, what comes waits
 * for it and goes together.
 *
 * @param <I> what is asked
 * @param <O> what is answered, one for each
 */
final class RowBatcher<I, O> implements AutoCloseable {
  private final Function<List<I>, List<O>> work;
  private final int mostRows;
  private final int mostWaiting;
  private final long windowNanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final List<Asked> waiting = new ArrayList<>();
  private final Thread thread;
  private boolean closing;

  private final class Asked {
    final List<I> rows;
    final CompletableFuture<List<O>> answer = new CompletableFuture<>();
    final long since = System.nanoTime();

    Asked(List<I> rows) {
      this.rows = rows;
    }
  }

  /**
   * @param name of its thread
   * @param work answers rows of several callers; no answer may depend on the other rows
   * @param mostRows that it is given at a time, unless one caller has more
   * @param mostWaiting callers
   */
  RowBatcher(
      String name,
      Function<List<I>, List<O>> work,
      int mostRows,
      int mostWaiting,
      int windowMillis) {
    this.work = work;
    this.mostRows = mostRows;
    this.mostWaiting = mostWaiting;
    this.windowNanos = TimeUnit.MILLISECONDS.toNanos(windowMillis);
    this.thread = new Thread(this::run, name);
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Asks. To cancel the answer before its rows are given to the model is to take them back.
   *
   * @return null if too many wait
   */
  CompletableFuture<List<O>> ask(List<I> rows) {
    lock.lock();
    try {
      Check.state(!closing, "the model is closed");
      if (waiting.size() >= mostWaiting) {
        return null;
      }
      Asked asked = new Asked(rows);
      waiting.add(asked);
      arrived.signalAll();
      return asked.answer;
    } finally {
      lock.unlock();
    }
  }

  private void run() {
    for (List<Asked> batch = next(); batch != null; batch = next()) {
      List<I> rows = new ArrayList<>();
      batch.forEach(asked -> rows.addAll(asked.rows));
      try {
        List<O> answers = work.apply(rows);
        int first = 0;
        for (Asked asked : batch) {
          asked.answer.complete(List.copyOf(answers.subList(first, first + asked.rows.size())));
          first += asked.rows.size();
        }
      } catch (RuntimeException | Error e) {
        apart(batch, e);
      }
    }
  }

  /** One caller's row must not fail those of others: each is worked on by itself. */
  private void apart(List<Asked> batch, Throwable reason) {
    for (Asked asked : batch) {
      if (batch.size() == 1) {
        asked.answer.completeExceptionally(reason);
        continue;
      }
      try {
        asked.answer.complete(work.apply(asked.rows));
      } catch (RuntimeException | Error e) {
        asked.answer.completeExceptionally(e);
      }
    }
  }

  /** What is worked on next; null: nothing more. */
  private List<Asked> next() {
    lock.lock();
    try {
      while (true) {
        waiting.removeIf(asked -> asked.answer.isDone());
        if (waiting.isEmpty()) {
          if (closing) {
            return null;
          }
          arrived.await();
          continue;
        }
        long left = waiting.get(0).since + windowNanos - System.nanoTime();
        if (left <= 0
            || closing
            || waiting.stream().mapToInt(a -> a.rows.size()).sum() >= mostRows) {
          return taken();
        }
        arrived.awaitNanos(left);
      }
    } catch (InterruptedException e) {
      return null;
    } finally {
      lock.unlock();
    }
  }

  private List<Asked> taken() {
    List<Asked> batch = new ArrayList<>();
    int rows = 0;
    while (!waiting.isEmpty()
        && (batch.isEmpty() || rows + waiting.get(0).rows.size() <= mostRows)) {
      rows += waiting.get(0).rows.size();
      batch.add(waiting.remove(0));
    }
    return batch;
  }

  /** Callers that wait. */
  int waiting() {
    lock.lock();
    try {
      return waiting.size();
    } finally {
      lock.unlock();
    }
  }

  /** Answers those that wait, then ends. */
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
        thread.interrupt();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
