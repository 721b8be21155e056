package dev.attune.server.http;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.ssl.SslConnection;
import org.eclipse.jetty.util.component.AbstractLifeCycle;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * Closes connections whose next request has begun and does not come to the end of its headers: a
 * client that sends a letter now and then is never idle.
 */
final class HeaderDeadline extends AbstractLifeCycle implements Connection.Listener {
  private static final int LOOKS = 4; // in the time that is allowed

  private final Scheduler scheduler;
  private final long millis;
  private final Map<Connection, Waiting> waiting = new ConcurrentHashMap<>();
  private final Map<Connection, Integer> working = new ConcurrentHashMap<>(); // requests on it
  private Scheduler.Task task;

  /**
   * A connection on which no request is answered.
   *
   * @param bytes that it had received when the last one ended
   * @param begun when more was first seen; null: not yet
   */
  private record Waiting(long bytes, Long begun) {}

  HeaderDeadline(Scheduler scheduler, long millis) {
    this.scheduler = scheduler;
    this.millis = millis;
  }

  /** What bytes come from: beneath TLS, where they are counted from the first. */
  private static Connection outer(Connection connection) {
    return connection.getEndPoint() instanceof SslConnection.SslEndPoint within
        ? within.getSslConnection()
        : connection;
  }

  @Override
  public void onOpened(Connection connection) {
    if (outer(connection) == connection) {
      waiting.put(connection, new Waiting(0, null));
    }
  }

  @Override
  public void onClosed(Connection connection) {
    waiting.remove(connection);
    working.remove(connection);
  }

  /** The headers of a request are there. */
  void begun(Connection connection) {
    Connection outer = outer(connection);
    working.merge(outer, 1, Integer::sum);
    waiting.remove(outer);
  }

  /**
   * A request has been answered: the next one may come, or has come already, as a fast client's
   * does before this is called.
   */
  void ended(Connection connection) {
    Connection outer = outer(connection);
    working.computeIfPresent(outer, (key, count) -> count == 1 ? null : count - 1);
    if (outer.getEndPoint().isOpen()) {
      waiting.put(outer, new Waiting(outer.getBytesIn(), null));
    }
  }

  @Override
  protected void doStart() {
    look();
  }

  @Override
  protected void doStop() {
    task.cancel();
  }

  private void look() {
    long now = System.nanoTime();
    waiting.forEach(
        (connection, last) -> {
          if (working.containsKey(connection)) {
            return;
          }
          if (last.begun() == null && connection.getBytesIn() > last.bytes()) {
            waiting.replace(connection, last, new Waiting(last.bytes(), now));
          } else if (last.begun() != null
              && now - last.begun() > TimeUnit.MILLISECONDS.toNanos(millis)
              && waiting.remove(connection, last)) {
            connection.close();
          }
        });
    task = scheduler.schedule(this::look, millis / LOOKS, TimeUnit.MILLISECONDS);
  }
}
