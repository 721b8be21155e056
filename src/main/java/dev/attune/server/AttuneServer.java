package dev.attune.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.server.access.Access;
import dev.attune.server.access.KeyStore;
import dev.attune.server.access.KeysApi;
import dev.attune.server.access.Limits;
import dev.attune.server.console.Console;
import dev.attune.server.data.DataFolder;
import dev.attune.server.feedback.Feedback;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.FilesApi;
import dev.attune.server.files.UploadStore;
import dev.attune.server.files.UploadsApi;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.http.WebServer;
import dev.attune.server.inference.ChatApi;
import dev.attune.server.inference.ClassificationsApi;
import dev.attune.server.inference.CompletionsApi;
import dev.attune.server.inference.EmbeddingsApi;
import dev.attune.server.inference.ModelPool;
import dev.attune.server.inference.TextMetrics;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.jobs.JobsApi;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ModelsApi;
import dev.attune.server.tls.PemFiles;
import dev.attune.server.training.Sessions;
import dev.attune.server.training.SessionsApi;
import dev.attune.server.training.TrainingMemory;
import dev.attune.server.webhooks.Webhooks;
import dev.attune.server.webhooks.WebhooksApi;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * A running server: files, jobs and models behind OpenAI's HTTP API, so that its clients work with
 * it as they are.
 *
 * <pre>{@code
 * try (AttuneServer server =
 *     AttuneServer.start(
 *         new ServerConfig()
 *             .port(0)
 *             .dataDir(Path.of("attune-data"))
 *             .baseModel("minilm", Path.of("models/minilm")))) {
 *   System.out.println(server.address()); // http://127.0.0.1:41233/v1
 *   ...
 * }
 * }</pre>
 *
 * <p>Any number of threads may use it. What was answered is durable: after a crash, the next server
 * on the same data folder goes on where this one was.
 */
public final class AttuneServer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");
  private static final int TIDY_SECONDS = 30;
  private static final Pattern MODEL_NAME = Pattern.compile("[\\p{Alnum}][\\p{Alnum}._/-]{0,95}");

  private final URI address;
  private final List<AutoCloseable> parts; // in the order in which they end
  private boolean closed;

  private AttuneServer(URI address, List<AutoCloseable> parts) {
    this.address = address;
    this.parts = parts;
  }

  /**
   * Starts, and returns when requests are answered.
   *
   * @throws dev.attune.core.InputException if the configuration cannot be served: the message says
   *     what of it, and what to do
   */
  public static AttuneServer start(ServerConfig config) {
    boolean isLocal = isLocal(config.host());
    config.baseModels().forEach(AttuneServer::checkBase);
    WebServer.Tls tls = tls(config);
    List<AutoCloseable> parts = new ArrayList<>(List.of(DataFolder.open(config.dataDir())));
    try {
      return start(config, isLocal, tls, parts);
    } catch (IOException e) {
      close(parts);
      throw new UncheckedIOException("the server cannot be started: " + e.getMessage(), e);
    } catch (RuntimeException | Error e) {
      close(parts);
      throw e;
    }
  }

  /**
   * Makes all parts and starts them.
   *
   * @param parts what there is to be closed, the first of which is the data folder; each part is
   *     put before those that it needs
   */
  private static AttuneServer start(
      ServerConfig config, boolean isLocal, WebServer.Tls tls, List<AutoCloseable> parts)
      throws IOException {
    DataFolder data = (DataFolder) parts.get(0);
    Limits limits =
        new Limits(
            config.tenantFileBytes(),
            config.tenantJobs(),
            config.tenantRequestsPerMinute(),
            config.tenantSessions(),
            config.tenantModels(),
            config.tenantModelBytes());
    Metrics metrics = new Metrics();
    KeyStore keys = new KeyStore(data.journal());
    parts.add(0, keys::noteUse);
    FileStore files = new FileStore(data.journal(), data.files(), tenant -> limits, FileOps.SYSTEM);
    files.removeLeftovers();
    UploadStore uploads = new UploadStore(data.journal(), data.uploads(), files, FileOps.SYSTEM);
    uploads.removeLeftovers();
    parts.add(0, tidying(keys, files, uploads));
    ModelCatalog models = new ModelCatalog(data.journal(), config.baseModels(), data.models());
    ModelRoom room = new ModelRoom(models, data.models(), tenant -> limits);
    ModelPool pool = new ModelPool(models, config.inference().settings());
    pool.tell(metrics);
    TextMetrics texts = new TextMetrics(metrics);
    parts.add(0, pool::close);
    Webhooks webhooks = new Webhooks(data.journal(), config.webhooks());
    parts.add(0, webhooks::close);
    long trainingBytes =
        config.trainingMemoryBytes() == 0 ? Jobs.usualMemoryBytes() : config.trainingMemoryBytes();
    TrainingMemory sessionMemory = new TrainingMemory(trainingBytes);
    Jobs jobs =
        new Jobs(
            new Jobs.Parts(
                data.journal(),
                files,
                models,
                room,
                webhooks,
                tenant -> limits,
                data.models(),
                data.runs()),
            trainingBytes,
            sessionMemory::bytes);
    sessionMemory.besides(jobs::takenBytes);
    Sessions sessions =
        new Sessions(
            new Sessions.Parts(
                data.journal(), models, room, tenant -> limits, data.training(), data.models()),
            sessionMemory,
            config.sessionIdle(),
            metrics);
    sessions.start();
    parts.add(0, sessions::close);
    metrics.gauge("attune_jobs", "Jobs by status", "status", jobs::counts);
    Feedback feedback = new Feedback(data.journal(), models, room, files, jobs, data.models());

    List<Route> routes = new ArrayList<>(own(metrics));
    routes.addAll(new KeysApi(keys).routes());
    routes.addAll(new FilesApi(files).routes());
    routes.addAll(new UploadsApi(uploads).routes());
    routes.addAll(new ModelsApi(models).routes());
    routes.addAll(new ChatApi(models, pool, texts).routes());
    routes.addAll(new CompletionsApi(models, pool, texts).routes());
    routes.addAll(new EmbeddingsApi(models, pool).routes());
    routes.addAll(new ClassificationsApi(models, pool).routes());
    routes.addAll(new JobsApi(jobs).routes());
    routes.addAll(new SessionsApi(sessions).routes());
    routes.addAll(new WebhooksApi(webhooks).routes());
    routes.addAll(feedback.routes());
    routes.addAll(new Console(data, config.baseModels(), jobs, models, pool).routes());

    boolean requiresKeys = config.requireKeys() || !isLocal;
    Access access = new Access(keys, requiresKeys, tenant -> limits, System::nanoTime);
    Router router = new Router(routes, access, isLocal ? config.host() : null, metrics);
    WebServer web =
        WebServer.start(config.host(), config.port(), tls, config.stopTimeout(), router, metrics);
    parts.add(0, web);
    if (!isLocal && tls == null) {
      LOG.log(
          Level.WARNING,
          "keys and data pass in the clear between this server and other machines: give it a"
              + " certificate, or put it behind what has one");
    }
    webhooks.start();
    parts.add(0, jobs::close);
    jobs.start();
    sessions.startUnpinned();
    parts.add(0, feedback::close);
    feedback.start();
    return new AttuneServer(URI.create(web.address() + "/v1"), parts);
  }

  private static boolean isLocal(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      throw new InputException(
          "there is no address '" + host + "'; 127.0.0.1 is this machine alone, 0.0.0.0 any", e);
    }
  }

  private static void checkBase(String name, Path folder) {
    if (!MODEL_NAME.matcher(name).matches()) {
      throw new InputException(
          "the base model's name is '"
              + name
              + "'; it has 1 to 96 letters, digits, '.', '_', '/' and '-', and begins with one of"
              + " the first two");
    }
    try {
      ModelFolder.open(folder, null);
    } catch (InputException e) {
      throw new InputException("the base model '" + name + "': " + e.getMessage(), e);
    }
  }

  private static WebServer.Tls tls(ServerConfig config) {
    if (config.tlsCertificate() == null && config.tlsKey() == null) {
      return null;
    }
    if (config.tlsCertificate() == null || config.tlsKey() == null) {
      throw new InputException("TLS needs both a certificate and its private key");
    }
    byte[] random = new byte[16];
    new SecureRandom().nextBytes(random);
    String password = HexFormat.of().formatHex(random);
    return new WebServer.Tls(
        PemFiles.read(config.tlsCertificate(), config.tlsKey(), password), password);
  }

  /** What is asked of the server itself. */
  private static List<Route> own(Metrics metrics) {
    Runtime runtime = Runtime.getRuntime();
    metrics.gauge(
        "attune_memory_bytes",
        "Memory of the Java heap",
        "state",
        () ->
            Map.of(
                "used", runtime.totalMemory() - runtime.freeMemory(), "most", runtime.maxMemory()));
    return List.of(
        new Route("GET", "/health", null, AttuneServer::ok),
        new Route("GET", "/ready", null, AttuneServer::ready),
        new Route(
            "GET",
            "/metrics",
            Scope.ADMIN,
            e -> e.answer(200, Metrics.TYPE, metrics.text().getBytes(StandardCharsets.UTF_8))));
  }

  private static void ok(Exchange exchange) throws IOException {
    exchange.answer(JsonNodeFactory.instance.objectNode().put("status", "ok"));
  }

  private static void ready(Exchange exchange) throws IOException {
    boolean ends = exchange.serverEnds();
    exchange.answer(
        ends ? 503 : 200,
        JsonNodeFactory.instance.objectNode().put("status", ends ? "ending" : "ready"));
  }

  /** What is done now and then. */
  private static AutoCloseable tidying(KeyStore keys, FileStore files, UploadStore uploads) {
    ScheduledExecutorService tidying =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "attune-tidying");
              thread.setDaemon(true);
              return thread;
            });
    tidying.scheduleWithFixedDelay(
        () -> {
          try {
            keys.noteUse();
            uploads.endExpired();
            files.deleteExpired();
          } catch (IOException | RuntimeException e) {
            LOG.log(Level.ERROR, "what has expired could not be removed", e);
          }
        },
        TIDY_SECONDS,
        TIDY_SECONDS,
        TimeUnit.SECONDS);
    return () -> {
      tidying.shutdownNow();
      tidying.awaitTermination(TIDY_SECONDS, TimeUnit.SECONDS);
    };
  }

  /** Where clients find it, with the path that OpenAI's clients take as their base URL. */
  public URI address() {
    return address;
  }

  /**
   * Ends it: requests that have begun are answered for as long as the configuration says, jobs go
   * on at the next start. A second call does nothing.
   */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      close(parts);
    }
  }

  /** Closes all, also after one could not be. */
  private static void close(List<AutoCloseable> parts) {
    for (AutoCloseable part : parts) {
      try {
        part.close();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (Exception e) {
        LOG.log(Level.ERROR, "a part of the server could not be closed", e);
      }
    }
  }
}
