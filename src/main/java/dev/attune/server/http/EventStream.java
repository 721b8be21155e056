package dev.attune.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * Server-sent events; they end with the request. A client that has gone, or that takes them so
 * slowly that a thread does little else than wait for it, shows as an {@link IOException}; one
 * whose key opens nothing any more as an {@link ApiException}.
 */
public final class EventStream {
  /** The share of a stream's time that writing may wait for the client, besides some patience. */
  private static final int SHARE = 4;

  private final OutputStream out;
  private final Runnable check;
  private final Patience patience;
  private final long began = System.nanoTime();
  private long waited;
  private volatile boolean isHungUp;

  /**
   * What is done with a client that does not read.
   *
   * @param millis that all writing may wait for it in any case
   * @param hangUp ends the connection, and so the wait; heard on a thread of the scheduler
   */
  record Patience(Scheduler scheduler, long millis, Runnable hangUp) {}

  /**
   * @param check throws once the client may have nothing more
   */
  EventStream(OutputStream out, Runnable check, Patience patience) {
    this.out = out;
    this.check = check;
    this.patience = patience;
  }

  /** Sends one, at once. */
  public void send(JsonNode data) throws IOException {
    check.run();
    write("data: " + data + "\n\n");
  }

  /** Sends a line that says nothing, which shows whether anybody is still there. */
  public void ping() throws IOException {
    check.run();
    write(":\n\n");
  }

  /** Sends what ends OpenAI's streams. */
  public void done() throws IOException {
    write("data: [DONE]\n\n");
  }

  /** Sends why it ends before its end. */
  void fail(ApiException reason) throws IOException {
    write("data: " + reason.toJson() + "\n\n");
  }

  private void write(String text) throws IOException {
    waiting(
        () -> {
          out.write(text.getBytes(StandardCharsets.UTF_8));
          out.flush();
        });
  }

  /** Something that waits until the client has taken what was sent. */
  private interface Writing {
    void run() throws IOException;
  }

  private void waiting(Writing writing) throws IOException {
    long start = System.nanoTime();
    long left = TimeUnit.MILLISECONDS.toNanos(patience.millis) + (start - began) / SHARE - waited;
    Scheduler.Task alarm =
        patience.scheduler.schedule(this::hangUp, Math.max(0, left), TimeUnit.NANOSECONDS);
    try {
      writing.run();
    } catch (IOException e) {
      throw isHungUp ? new EofException("the client does not read", e) : e;
    } finally {
      alarm.cancel();
      waited += System.nanoTime() - start;
    }
  }

  private void hangUp() {
    isHungUp = true;
    patience.hangUp.run();
  }

  /** Says that nothing more comes. */
  void close() throws IOException {
    waiting(out::close);
  }
}
