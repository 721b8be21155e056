package dev.attune.track.board;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.URI;
import java.nio.file.Path;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** Serves the board of a run store on this machine. */
public final class BoardServer implements AutoCloseable {
  private static final int THREADS = 32;
  private static final String HOST = "127.0.0.1";

  private final Server server;
  private final ServerConnector connector;
  private final BoardHandler handler;

  private BoardServer(Server server, ServerConnector connector, BoardHandler handler) {
    this.server = server;
    this.connector = connector;
    this.handler = handler;
  }

  /** Whether the library that serves is there. */
  public static boolean isAvailable() {
    try {
      Class.forName("org.eclipse.jetty.server.Server", false, BoardServer.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /**
   * Starts.
   *
   * @param store folder of the run store, which is there
   * @param port 0: one that is free
   * @throws InputException if somebody else has the port
   */
  public static BoardServer start(Path store, int port) {
    QueuedThreadPool threads = new QueuedThreadPool(THREADS);
    threads.setName("attune-board");
    threads.setDaemon(true);
    Server server = new Server(threads);
    ServerConnector connector = new ServerConnector(server, 1, 1);
    connector
        .getConnectionFactory(HttpConnectionFactory.class)
        .getHttpConfiguration()
        .setSendServerVersion(false);
    connector.setHost(HOST);
    connector.setPort(port);
    server.addConnector(connector);
    BoardHandler handler = new BoardHandler(store);
    server.setHandler(handler);
    try {
      server.start();
    } catch (Exception e) {
      stop(server);
      throw failure(port, e);
    }
    return new BoardServer(server, connector, handler);
  }

  private static RuntimeException failure(int port, Exception e) {
    boolean isTaken = e instanceof BindException || e.getCause() instanceof BindException;
    return isTaken
        ? new InputException(
            "port " + port + " is in use; give another one, or 0 for a free one", e)
        : new UncheckedIOException(
            "the board cannot be served: " + e.getMessage(), new IOException(e));
  }

  private static void stop(Server server) {
    try {
      server.stop();
    } catch (Exception e) {
      throw new UncheckedIOException("the board cannot be stopped", new IOException(e));
    }
  }

  /** Where a browser finds it. */
  public URI address() {
    return URI.create("http://localhost:" + connector.getLocalPort() + "/");
  }

  @Override
  public void close() {
    handler.end();
    stop(server);
  }
}
