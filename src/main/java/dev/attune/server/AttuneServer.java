package dev.attune.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
import dev.attune.server.database.Journal;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.inference.ChatApi;
import dev.attune.server.inference.ClassificationsApi;
import dev.attune.server.inference.CompletionsApi;
import dev.attune.server.inference.EmbeddingsApi;
import dev.attune.server.inference.ModelPool;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelsApi;
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
      Stream.of(ModelCatalog.LAYOUT).flatMap(List::stream).toList();

  private final Journal journal;
  private final ModelPool pool;
  private final Server server;
  private final ServerConnector connector;

  private AttuneServer(Journal journal, ModelPool pool, Server server, ServerConnector connector) {
    this.journal = journal;
    this.pool = pool;
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
      ModelPool pool = new ModelPool(models, config.inference().settings());
      routes.addAll(new ModelsApi(models).routes());
      routes.addAll(new ChatApi(models, pool).routes());
      routes.addAll(new CompletionsApi(models, pool).routes());
      routes.addAll(new EmbeddingsApi(models, pool).routes());
      routes.addAll(new ClassificationsApi(models, pool).routes());
      Router router = new Router(routes, authorization -> Caller.LOCAL, true, new Metrics());
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
      return new AttuneServer(journal, pool, server, connector);
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
    pool.close();
    journal.close();
  }
}
