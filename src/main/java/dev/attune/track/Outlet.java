package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** The thread between a run and one place that hears of it. */
final class Outlet {
  private static final int QUEUE = 1 << 17;
  private static final int MOST_WAITING = 200_000;
  private static final int LAST_TRIES = 3;
  private static final long LAST_PAUSE_MILLIS = 100;
  private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final RunSink sink;
  private final RunStart start;
  private final Queue<String> troubles;
  private final BlockingQueue<RunUpdate> queue = new LinkedBlockingQueue<>(QUEUE);
  private final AtomicLong lost = new AtomicLong();
  private final CountDownLatch ending = new CountDownLatch(1);
  private final Thread thread;
  private final long everyMillis;
  private RunUpdate waiting = RunUpdate.NONE;
  private RunUpdate beyond; // what the queue had no room for; null: nothing
  private boolean begun;
  private boolean told;
  private long retryNanos = System.nanoTime();

  /**
   * @param everyMillis between two writes
   * @param troubles gets one message where the place fails, and one where that lost something
   */
  Outlet(RunSink sink, RunStart start, long everyMillis, Queue<String> troubles) {
    this.sink = sink;
    this.start = start;
    this.everyMillis = everyMillis;
    this.troubles = troubles;
    thread = new Thread(this::work, "attune-track");
    thread.setDaemon(true);
    thread.start();
  }

  /** Takes something for later; returns at once. */
  synchronized void offer(RunUpdate update) {
    if (beyond == null && queue.offer(update)) {
      return;
    }
    // A place that does not answer: numbers are lost and counted, how the run stands is not.
    lost.addAndGet(update.points().size());
    RunUpdate before = beyond == null ? RunUpdate.NONE : beyond;
    beyond =
        joined(
            before,
            List.of(
                new RunUpdate(
                    List.of(),
                    update.documents(),
                    update.step(),
                    update.totalSteps(),
                    update.status())));
  }

  /** Has it write what it has, and then end. */
  void beginEnd() {
    ending.countDown();
  }

  /** Waits for that, for as long as the place may take. */
  void end() {
    try {
      thread.join(sink.endMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (thread.isAlive()) {
      troubles.add(
          sink.name()
              + " did not answer in time: the end of the run may be missing there"
              + sink.remedy());
    }
  }

  private void work() {
    try {
      boolean isLast = false;
      boolean isWritten = false;
      while (!isLast) {
        isLast = ending.await(everyMillis, TimeUnit.MILLISECONDS);
        take();
        if (isLast || System.nanoTime() - retryNanos >= 0) {
          isWritten = write();
        }
      }
      for (int i = 0; i < LAST_TRIES && !isWritten; i++) {
        Thread.sleep(LAST_PAUSE_MILLIS << i);
        isWritten = write();
      }
      sink.close(isWritten ? null : waiting);
      long missing = lost.get() + waiting.points().size();
      if (missing > 0) {
        troubles.add(missing + " numbers of the run are not in " + sink.name() + sink.remedy());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException | LinkageError e) {
      tell(e);
    }
  }

  /** Puts together what came in. */
  private void take() {
    List<RunUpdate> all = new ArrayList<>();
    synchronized (this) {
      queue.drainTo(all);
      if (beyond != null) {
        all.add(beyond);
        beyond = null;
      }
    }
    RunUpdate whole = joined(waiting, all);
    int left = Math.max(0, whole.points().size() - MOST_WAITING);
    lost.addAndGet(left);
    waiting =
        new RunUpdate(
            whole.points().subList(left, whole.points().size()),
            whole.documents(),
            whole.step(),
            whole.totalSteps(),
            whole.status());
  }

  private static RunUpdate joined(RunUpdate first, List<RunUpdate> others) {
    List<Point> points = new ArrayList<>(first.points());
    Map<String, JsonNode> documents = new LinkedHashMap<>(first.documents());
    long step = first.step();
    long totalSteps = first.totalSteps();
    RunStatus status = first.status();
    for (RunUpdate update : others) {
      points.addAll(update.points());
      documents.putAll(update.documents());
      step = Math.max(step, update.step());
      totalSteps = Math.max(totalSteps, update.totalSteps());
      status = update.status();
    }
    return new RunUpdate(points, documents, step, totalSteps, status);
  }

  /** Whether all is written that there was. */
  private boolean write() {
    try {
      if (!begun) {
        sink.begin(start);
        begun = true;
      }
      sink.write(waiting);
      waiting = new RunUpdate(List.of(), Map.of(), 0, 0, waiting.status());
      return true;
    } catch (IOException | RuntimeException | LinkageError e) {
      retryNanos = System.nanoTime() + RETRY_NANOS;
      tell(e);
      return false;
    }
  }

  private void tell(Throwable failure) {
    if (!told) {
      told = true;
      String why = failure.getMessage() == null ? failure.toString() : failure.getMessage();
      troubles.add(
          sink.name() + " cannot be written (" + why + "); the run goes on, and it is tried again");
    }
  }
}
