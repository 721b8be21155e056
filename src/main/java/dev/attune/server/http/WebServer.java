package dev.attune.server.http;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.URI;
import java.nio.channels.UnresolvedAddressException;
import java.security.KeyStore;
import java.time.Duration;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** The port, and what stands between it and the {@link Router}. */
public final class WebServer implements AutoCloseable {
  /** These read and write; requests are worked on by the router's. */
  private static final int THREADS = 64;

  private static final int MOST_CONNECTIONS = 4096;
  private static final int WAITING_CONNECTIONS = 1024;
  private static final int IDLE_MILLIS = 30_000;
  private static final int HEADER_BYTES = 16 << 10;

  private final Server server;
  private final ServerConnector connector;
  private final Router router;

  private WebServer(Server server, ServerConnector connector, Router router) {
    this.server = server;
    this.connector = connector;
    this.router = router;
  }

  /**
   * A certificate with its private key.
   *
   * @param password that the key is kept under
   */
  public record Tls(KeyStore keys, String password) {}

  /**
   * Starts.
   *
   * @param port 0: one that is free
   * @param tls null: none
   * @param patience with requests that have begun, at the end
   * @throws InputException if somebody else has the port, or there is no such address here
   */
  public static WebServer start(
      String host, int port, Tls tls, Duration patience, Router router, Metrics metrics) {
    return start(host, port, tls, patience, IDLE_MILLIS, router, metrics);
  }

  /** The same with another time after which a client has gone that is silent. */
  static WebServer start(
      String host,
      int port,
      Tls tls,
      Duration patience,
      int idleMillis,
      Router router,
      Metrics metrics) {
    QueuedThreadPool threads = new QueuedThreadPool(THREADS);
    threads.setName("attune-server");
    Server server = new Server(threads);
    server.setHandler(new GracefulHandler(router));
    server.setErrorHandler(new JsonErrors());
    server.setStopTimeout(patience.toMillis());
    ServerConnector connector = connector(server, tls);
    connector.setHost(host);
    connector.setPort(port);
    connector.setIdleTimeout(idleMillis);
    connector.setAcceptQueueSize(WAITING_CONNECTIONS);
    server.addConnector(connector);
    server.addBean(new NetworkConnectionLimit(MOST_CONNECTIONS, server));
    HeaderDeadline deadline = new HeaderDeadline(connector.getScheduler(), idleMillis);
    connector.addBean(deadline);
    router.follow(deadline, idleMillis / 2);
    metrics.gauge(
        "attune_http_connections",
        "Open connections",
        () -> connector.getConnectedEndPoints().size());
    try {
      server.start();
    } catch (Exception e) {
      stop(server);
      throw failure(host, port, e);
    }
    return new WebServer(server, connector, router);
  }

  private static ServerConnector connector(Server server, Tls tls) {
    HttpConfiguration http = new HttpConfiguration();
    http.setSendServerVersion(false);
    http.setRequestHeaderSize(HEADER_BYTES);
    // Else a key, or what divides a form, that differs in case alone from one that came before on
    // the same connection is taken for it.
    http.setHeaderCacheCaseSensitive(true);
    // Names may hold a slash: the router parts a path before it decodes its steps.
    http.setUriCompliance(
        UriCompliance.DEFAULT.with(
            "attune",
            UriCompliance.Violation.AMBIGUOUS_PATH_SEPARATOR,
            UriCompliance.Violation.AMBIGUOUS_PATH_ENCODING));
    if (tls == null) {
      return new ServerConnector(server, 1, 1, new HttpConnectionFactory(http));
    }
    SslContextFactory.Server context = new SslContextFactory.Server();
    context.setKeyStore(tls.keys());
    context.setKeyStorePassword(tls.password());
    context.setSniRequired(false);
    http.addCustomizer(new SecureRequestCustomizer(false));
    return new ServerConnector(
        server,
        1,
        1,
        new SslConnectionFactory(context, "http/1.1"),
        new HttpConnectionFactory(http));
  }

  private static RuntimeException failure(String host, int port, Exception e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof BindException || cause instanceof UnresolvedAddressException) {
        boolean isTaken = String.valueOf(cause.getMessage()).contains("in use");
        return new InputException(
            isTaken
                ? "port " + port + " is in use; give another one, or 0 for a free one"
                : "the server cannot listen on "
                    + host
                    + ", port "
                    + port
                    + ": "
                    + (cause.getMessage() == null ? "no such address" : cause.getMessage()),
            e);
      }
    }
    return new UncheckedIOException(
        "the server cannot be started: " + e.getMessage(), new IOException(e));
  }

  private static void stop(Server server) {
    try {
      server.stop();
    } catch (Exception e) {
      throw new UncheckedIOException("the server cannot be stopped", new IOException(e));
    }
  }

  /** Where clients find it, without a path. */
  public URI address() {
    String scheme =
        connector.getConnectionFactory(SslConnectionFactory.class) == null ? "http" : "https";
    String host = connector.getHost();
    return URI.create(
        scheme
            + "://"
            + (host.indexOf(':') < 0 ? host : "[" + host + "]")
            + ":"
            + connector.getLocalPort());
  }

  /** Takes no more requests, and waits for those that have begun. */
  @Override
  public void close() {
    router.end();
    stop(server);
  }
}
