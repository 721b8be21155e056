package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.Classifier;
import dev.attune.Precision;
import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.files.FileStore;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.http.WebServer;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * A server of feedback alone, whose callers say by their key whose they are, with answers of models
 * that are open by their folders.
 */
final class FeedbackServer implements AutoCloseable {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  /**
   * Held, since loggers are else collected with their levels: a line a request says little here.
   */
  private static final Logger QUIET = Logger.getLogger("dev.attune.server");

  static {
    QUIET.setLevel(Level.WARNING);
    Logger.getLogger("org.eclipse.jetty").setLevel(Level.WARNING);
  }

  private final DataFolder data;
  final ModelCatalog models;
  private final FileStore files;
  private final Feedback feedback;
  private final WebServer server;
  private final Map<Path, Classifier> open = new ConcurrentHashMap<>();

  FeedbackServer(Path folder, Map<String, Path> bases) throws Exception {
    this(folder, bases, Limits.NONE);
  }

  FeedbackServer(Path folder, Map<String, Path> bases, Limits limits) throws Exception {
    data = DataFolder.open(folder);
    models = new ModelCatalog(data.journal(), bases, data.models());
    files = new FileStore(data.journal(), data.files(), tenant -> limits, FileOps.SYSTEM);
    models.onOpening(model -> opened(model.folder()));
    ModelRoom room = new ModelRoom(models, data.models(), tenant -> limits);
    feedback = new Feedback(data.journal(), models, room, files, null, data.models());
    feedback.start();
    List<Route> routes = new ArrayList<>(feedback.routes());
    routes.add(new Route("POST", "/v1/answer", Caller.Scope.INFERENCE, this::answer));
    Metrics metrics = new Metrics();
    server =
        WebServer.start(
            "127.0.0.1",
            0,
            null,
            Duration.ofSeconds(5),
            new Router(routes, FeedbackServer::caller, "127.0.0.1", metrics),
            metrics);
  }

  private static Caller caller(String authorization) {
    return authorization == null
        ? Caller.LOCAL
        : new Caller(authorization.replace("Bearer ", ""), null, Set.of(Caller.Scope.values()));
  }

  private Classifier opened(Path folder) {
    return open.computeIfAbsent(
        folder, f -> Classifier.open(f, o -> o.threads(1).precision(Precision.FP32)));
  }

  private void answer(Exchange exchange) throws IOException {
    Fields body = exchange.body();
    Path folder = models.find(exchange.caller().tenant(), body.requiredText("model")).folder();
    String label = opened(folder).predict(body.requiredText("input")).label();
    exchange.answer(
        JsonNodeFactory.instance
            .objectNode()
            .put("label", label)
            .put("version", folder.getFileName().toString()));
  }

  /** Stores a tenant's file; returns its id. */
  String file(String tenant, String name, List<LabelledText> rows) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (LabelledText row : rows) {
      lines.append(
          JSON.createObjectNode().put("text", row.text()).put("label", row.label()) + "\n");
    }
    return files
        .write(tenant, name, "fine-tune", lines.toString().getBytes(StandardCharsets.UTF_8))
        .id();
  }

  int port() {
    return server.address().getPort();
  }

  /** A request and what comes back, of a server anywhere on this machine. */
  static HttpResponse<String> send(
      int port, String method, String path, String body, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    if (body != null) {
      request.header("Content-Type", "application/json");
    }
    if (headers.length > 0) {
      request.headers(headers);
    }
    return CLIENT.send(request.build(), BodyHandlers.ofString());
  }

  HttpResponse<String> raw(String method, String path, String body, String... headers)
      throws Exception {
    return send(port(), method, path, body, headers);
  }

  /** The same, which must be answered. */
  JsonNode call(String method, String path, String body, String... headers) throws Exception {
    HttpResponse<String> response = raw(method, path, body, headers);
    if (response.statusCode() != 200) {
      throw new AssertionError(method + " " + path + ": " + response.body());
    }
    return JSON.readTree(response.body());
  }

  /** The same, which must be refused; returns the status and the error. */
  String refusal(String method, String path, String body, String... headers) throws Exception {
    HttpResponse<String> response = raw(method, path, body, headers);
    JsonNode error = JSON.readTree(response.body()).path("error");
    return response.statusCode()
        + " "
        + error.path("param").asText()
        + ": "
        + error.path("message").asText();
  }

  static String corrections(List<LabelledText> rows) {
    var list = JSON.createArrayNode();
    rows.forEach(row -> list.addObject().put("input", row.text()).put("label", row.label()));
    return JSON.createObjectNode().set("corrections", list).toString();
  }

  String label(String model, String text) throws Exception {
    String body = JSON.createObjectNode().put("model", model).put("input", text).toString();
    return call("POST", "/v1/answer", body).get("label").asText();
  }

  double accuracy(String model, List<LabelledText> rows) throws Exception {
    int right = 0;
    for (LabelledText row : rows) {
      right += label(model, row.text()).equals(row.label()) ? 1 : 0;
    }
    return (double) right / rows.size();
  }

  /** Waits until a learner has tried all that has come; returns its state. */
  static JsonNode settled(int port, String model) throws Exception {
    for (int i = 0; i < 1200; i++) {
      JsonNode state =
          JSON.readTree(send(port, "GET", "/v1/models/" + model + "/learner", null).body());
      long since = state.path("corrections").path("since_last_update").asLong();
      if (state.path("status").asText().equals("waiting")
          && since < state.path("settings").path("min_corrections").asLong()) {
        return state;
      }
      Thread.sleep(25);
    }
    throw new AssertionError("the learner does not come to rest");
  }

  JsonNode settled(String model) throws Exception {
    return settled(port(), model);
  }

  @Override
  public void close() {
    server.close();
    feedback.close();
    data.close();
    open.values().forEach(Classifier::close);
  }

  /** A server in a process of its own: DATA NAME FOLDER; says its port, and a file. */
  public static void main(String[] args) throws Exception {
    Path data = Path.of(args[0]);
    Files.createDirectories(data);
    FeedbackServer server = new FeedbackServer(data, Map.of(args[1], Path.of(args[2])));
    System.out.println("port " + server.port());
    System.out.println(server.file("local", "old.jsonl", TinyDrift.old(256, 1)));
    Thread.currentThread().join();
  }
}
