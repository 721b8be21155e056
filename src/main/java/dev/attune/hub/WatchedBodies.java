package dev.attune.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Bodies of answers that end with an exception when nothing comes for too long, or when all are to
 * stop: those of the JDK know neither, and do not heed an interrupt.
 */
final class WatchedBodies implements AutoCloseable {
  private final int patienceSeconds;
  private final ScheduledExecutorService watch;
  private final Set<Body> open = ConcurrentHashMap.newKeySet();
  private volatile boolean stopped;

  /**
   * @param patienceSeconds how long a reader waits for the next bytes
   */
  WatchedBodies(int patienceSeconds) {
    this.patienceSeconds = patienceSeconds;
    ScheduledThreadPoolExecutor executor =
        new ScheduledThreadPoolExecutor(
            1,
            work -> {
              Thread thread = new Thread(work, "attune-hub-watch");
              thread.setDaemon(true);
              return thread;
            });
    executor.setRemoveOnCancelPolicy(true);
    this.watch = executor;
  }

  /** The same bytes, watched until it is closed. */
  InputStream watch(InputStream body) {
    return new Body(body);
  }

  /** Ends all reading, on every thread, with an exception. */
  void stop() {
    stopped = true;
    open.forEach(Body::wake);
  }

  @Override
  public void close() {
    watch.shutdownNow();
  }

  private final class Body extends FilterInputStream {
    private final ScheduledFuture<?> task;
    private volatile long waitingSince; // 0: nobody waits
    private volatile boolean silent;

    Body(InputStream body) {
      super(body);
      open.add(this);
      this.task = watch.scheduleWithFixedDelay(this::look, 1, 1, TimeUnit.SECONDS);
    }

    private void look() {
      long since = waitingSince;
      if (since != 0 && System.nanoTime() - since > patienceSeconds * 1_000_000_000L) {
        silent = true;
        wake();
      }
    }

    /** Lets the reader, if there is one, go on with an exception. */
    void wake() {
      try {
        in.close();
      } catch (IOException e) {
        // The reader hears of it.
      }
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] bytes, int from, int length) throws IOException {
      waitingSince = System.nanoTime() | 1;
      try {
        int count = in.read(bytes, from, length);
        if (stopped) {
          throw new IOException("stopped");
        }
        if (silent) {
          throw silence(null);
        }
        return count;
      } catch (IOException e) {
        throw silent ? silence(e) : e;
      } finally {
        waitingSince = 0;
      }
    }

    private IOException silence(IOException cause) {
      return new IOException("nothing came for " + patienceSeconds + " seconds", cause);
    }

    @Override
    public void close() throws IOException {
      open.remove(this);
      task.cancel(false);
      in.close();
    }
  }
}
