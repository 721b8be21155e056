package dev.attune.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.feedback.Feedback;
import dev.attune.server.files.FileStore;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.models.ModelCatalog;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** A running server. */
public final class AttuneServer implements AutoCloseable {
  private static final int THREADS = 256;
  private static final List<String> LAYOUT =
      Stream.of(ModelCatalog.LAYOUT, FileStore.LAYOUT, Feedback.LAYOUT)
          .flatMap(List::stream)
          .toList();

  private final Journal journal;
  private final Feedback feedback;
  private final Server server;
  private final ServerConnector connector;

  private AttuneServer(
      Journal journal, Feedback feedback, Server server, ServerConnector connector) {
    this.journal = journal;
    this.feedback = feedback;
    this.server = server;
    this.connector = connector;
  }

  /**
   * Starts.
   *
   * @throws InputException if the configuration cannot be served, or somebody else has the port
   */
  public static AttuneServer start(ServerConfig config) {
    Path data = config.dataDir().toAbsolutePath().normalize();
    Journal journal = Journal.open(data.resolve("journal.db"), LAYOUT);
    try {
      ModelCatalog models = new ModelCatalog(journal, config.baseModels(), data.resolve("models"));
      List<Route> routes = new ArrayList<>();
      routes.add(
          new Route(
              "GET",
              "/health",
              null,
              e -> e.answer(JsonNodeFactory.instance.objectNode().put("status", "ok"))));
      FileStore files =
          new FileStore(journal, data.resolve("files"), tenant -> Limits.NONE, FileOps.SYSTEM);
      Feedback feedback = new Feedback(journal, models, files, data.resolve("models"));
      routes.addAll(feedback.routes());
      Router router = new Router(routes, authorization -> Caller.LOCAL);
      Server server = server(router);
      ServerConnector connector = new ServerConnector(server, 1, 1);
      connector
          .getConnectionFactory(HttpConnectionFactory.class)
          .getHttpConfiguration()
          .setSendServerVersion(false);
      connector.setHost(config.host());
      connector.setPort(config.port());
      server.addConnector(connector);
      start(server, config);
      return new AttuneServer(journal, feedback, server, connector);
    } catch (IOException e) {
      journal.close();
      throw new UncheckedIOException("the server cannot be started: " + e.getMessage(), e);
    } catch (RuntimeException | Error e) {
      journal.close();
      throw e;
    }
  }

  private static Server server(Router router) {
    QueuedThreadPool threads = new QueuedThreadPool(THREADS);
    threads.setName("attune-server");
    Server server = new Server(threads);
    server.setHandler(router);
    return server;
  }

  private static void start(Server server, ServerConfig config) {
    try {
      server.start();
    } catch (Exception e) {
      stop(server);
      if (e instanceof BindException || e.getCause() instanceof BindException) {
        throw new InputException(
            "port " + config.port() + " is in use; give another one, or 0 for a free one", e);
      }
      throw new UncheckedIOException(
          "the server cannot be started: " + e.getMessage(), new IOException(e));
    }
  }

  private static void stop(Server server) {
    try {
      server.stop();
    } catch (Exception e) {
      throw new UncheckedIOException("the server cannot be stopped", new IOException(e));
    }
  }

  /** Where clients find it, with the path that OpenAI's clients take as their base URL. */
  public URI address() {
    return URI.create("http://" + connector.getHost() + ":" + connector.getLocalPort() + "/v1");
  }

  /** Ends it: requests that have begun are answered, jobs go on at the next start. */
  @Override
  public void close() {
    stop(server);
    feedback.close();
    journal.close();
  }
}
