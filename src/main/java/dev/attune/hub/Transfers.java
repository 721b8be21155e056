package dev.attune.hub;

import dev.attune.core.InterruptedCallException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs several transfers at a time, and tells on the caller's thread how far they are. */
final class Transfers {
  private static final int AT_A_TIME = 4;
  private static final long TELL_MILLIS = 200;

  private final HubHttp http;
  private final Meter meter;
  private final Progress progress;
  private final String interrupted;
  private final Queue<String> notes = new ConcurrentLinkedQueue<>();

  /**
   * @param meter that the transfers count in
   * @param interrupted what to say where the caller is interrupted
   */
  Transfers(HubHttp http, Meter meter, Progress progress, String interrupted) {
    this.http = http;
    this.meter = meter;
    this.progress = progress;
    this.interrupted = interrupted;
  }

  /** A sentence of a transfer, which the caller's thread reports. */
  void note(String message) {
    notes.add(message);
  }

  /** Runs all; the first failure ends the others, and no thread goes on when this returns. */
  void all(List<HubHttp.Attempt<Void>> transfers) throws IOException {
    if (transfers.isEmpty()) {
      return;
    }
    ExecutorService workers =
        Executors.newFixedThreadPool(
            Math.min(AT_A_TIME, transfers.size()),
            work -> {
              Thread thread = new Thread(work, "attune-hub-transfer");
              thread.setDaemon(true);
              return thread;
            });
    try {
      List<Future<?>> tasks = new ArrayList<>();
      transfers.forEach(transfer -> tasks.add(workers.submit(transfer::run)));
      await(tasks);
    } catch (IOException | RuntimeException e) {
      http.stop();
      throw e;
    } finally {
      end(workers);
    }
  }

  private void await(List<Future<?>> tasks) throws IOException {
    List<Future<?>> open = new ArrayList<>(tasks);
    while (!open.isEmpty()) {
      try {
        open.get(0).get(TELL_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        // Time to tell.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedCallException(interrupted);
      } catch (ExecutionException e) {
        throw failure(e);
      }
      for (Future<?> task : open) {
        if (task.isDone()) {
          rethrow(task);
        }
      }
      open.removeIf(Future::isDone);
      for (String note = notes.poll(); note != null; note = notes.poll()) {
        progress.report(note);
      }
      meter.tell(progress);
    }
  }

  private static void rethrow(Future<?> done) throws IOException {
    try {
      done.get();
    } catch (ExecutionException e) {
      throw failure(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException("it is done", e);
    }
  }

  private static IOException failure(ExecutionException e) throws IOException {
    if (e.getCause() instanceof IOException cause) {
      return cause;
    }
    if (e.getCause() instanceof RuntimeException cause) {
      throw cause;
    }
    throw new IllegalStateException(e.getCause());
  }

  /** No thread goes on writing when this returns. */
  private static void end(ExecutorService workers) {
    workers.shutdownNow();
    boolean interrupted = Thread.interrupted();
    try {
      workers.awaitTermination(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
