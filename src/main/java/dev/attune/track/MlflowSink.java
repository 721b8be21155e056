package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.core.WholeJson;
import dev.attune.storage.AtomicFile;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * Tells an MLflow server of a run, by its REST protocol: options as parameters, series as metrics,
 * the small files of the run as artifacts where the server takes them. Its own run id is kept in
 * the run's folder, so that a run that goes on, or is sent later, is one run there too.
 */
public final class MlflowSink implements RunSink {
  static final String FILE = "mlflow.json";

  private static final String KEPT_SERVER = "tracking_uri";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String API = "/api/2.0/mlflow/";
  private static final int METRICS_OF_A_REQUEST = 1000;
  private static final int PARAMS_OF_A_REQUEST = 100;
  private static final int MOST_CHARACTERS = 6000; // of a parameter, by MLflow's limits
  private static final Pattern NO_KEY = Pattern.compile("(?U)[^\\w./: -]");
  private static final int TRIES = 3;
  private static final String ARTIFACTS = "mlflow-artifacts:";
  private static final List<String> SENT = List.of("run.yaml", "data_report.json", "metrics.jsonl");

  /**
   * The server, by the variables that MLflow's own clients read.
   *
   * @param uri of MLFLOW_TRACKING_URI
   * @param experiment of MLFLOW_EXPERIMENT_NAME; "Default" where that is not set
   * @param authorization header; null: none
   */
  public record Server(URI uri, String experiment, String authorization) {
    /**
     * As an environment says.
     *
     * @throws InputException if it names no server
     */
    public static Server of(UnaryOperator<String> environment) {
      String uri = environment.apply("MLFLOW_TRACKING_URI");
      if (uri == null || !uri.matches("https?://.+")) {
        throw new InputException(
            "MLflow is told through a server: MLFLOW_TRACKING_URI must be its address, as"
                + " http://localhost:5000; it is "
                + (uri == null ? "not set" : "'" + uri + "'"));
      }
      String experiment = environment.apply("MLFLOW_EXPERIMENT_NAME");
      String token = environment.apply("MLFLOW_TRACKING_TOKEN");
      String user = environment.apply("MLFLOW_TRACKING_USERNAME");
      String password = environment.apply("MLFLOW_TRACKING_PASSWORD");
      String authorization = null;
      if (token != null) {
        authorization = "Bearer " + token;
      } else if (user != null && password != null) {
        byte[] pair = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        authorization = "Basic " + Base64.getEncoder().encodeToString(pair);
      }
      return new Server(
          URI.create(uri.replaceFirst("/+$", "")),
          experiment == null ? "Default" : experiment,
          authorization);
    }
  }

  private final Server server;
  private final Path folder;
  private final long pauseMillis;
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();
  private String runId; // null: the server has not given one yet
  private boolean goesOn; // the server has the run from before
  private String experiment = "";
  private String artifacts = "";

  /**
   * @param folder of the run
   */
  public MlflowSink(Server server, Path folder) {
    this(server, folder, 500);
  }

  MlflowSink(Server server, Path folder, long pauseMillis) {
    this.server = server;
    this.folder = folder;
    this.pauseMillis = pauseMillis;
  }

  @Override
  public String name() {
    return "MLflow at " + server.uri();
  }

  /** A server that is gone holds no run up: what it has missed can be sent later. */
  @Override
  public long endMillis() {
    return 5000;
  }

  @Override
  public String remedy() {
    return "; attune runs send " + folder + " " + Term.REPORT_TO.of("mlflow") + " tells it later";
  }

  @Override
  public void begin(RunStart start) throws IOException {
    Path kept = folder.resolve(FILE);
    if (runId == null && start.resumedAt() > 0) {
      goesOn = isKnown(kept);
    }
    if (goesOn) {
      ObjectNode update = JsonNodeFactory.instance.objectNode().put("run_id", runId);
      post("runs/update", update.put("status", "RUNNING"));
      return;
    }
    if (runId == null) { // else all but what follows was done, and this is another try
      FileOps.SYSTEM.delete(kept); // of another run
      create(start);
    }
    AtomicFile.write(
        kept,
        JSON.createObjectNode()
            .put(KEPT_SERVER, server.uri().toString())
            .put("experiment_id", experiment)
            .put("run_id", runId)
            .put("artifact_uri", artifacts)
            .toString());
    parameters(start.documents().getOrDefault(Documents.CONFIG, JSON.createObjectNode()));
  }

  /** Whether the server knows the run, whose id there is kept; another server does not. */
  private boolean isKnown(Path kept) throws IOException {
    if (!Files.exists(kept)) {
      return false;
    }
    JsonNode known = WholeJson.read(kept);
    if (!known.path(KEPT_SERVER).asText().equals(server.uri().toString())) {
      return false;
    }
    runId = known.path("run_id").asText();
    artifacts = known.path("artifact_uri").asText();
    return true;
  }

  private void create(RunStart start) throws IOException {
    experiment = experiment();
    ObjectNode create = JsonNodeFactory.instance.objectNode();
    create.put("experiment_id", experiment).put("run_name", start.name());
    create.put("start_time", start.createdMillis());
    ArrayNode tags = create.putArray("tags");
    tag(tags, "mlflow.runName", start.name());
    tag(tags, "mlflow.source.name", "attune");
    JsonNode reproduction =
        start.documents().getOrDefault(Documents.REPRODUCTION, JSON.createObjectNode());
    tag(tags, "attune.command", reproduction.path("command").asText(""));
    JsonNode git = reproduction.path("git");
    tag(tags, "mlflow.source.git.commit", git.path("commit").asText(""));
    tag(tags, "mlflow.source.git.branch", git.path("branch").asText(""));
    for (Map.Entry<String, JsonNode> one : reproduction.path("fingerprints").properties()) {
      tag(tags, "attune." + one.getKey(), one.getValue().asText());
    }
    JsonNode info = post("runs/create", create).path("run").path("info");
    runId = info.path("run_id").asText(info.path("run_uuid").asText());
    artifacts = info.path("artifact_uri").asText("");
  }

  private static void tag(ArrayNode tags, String key, String value) {
    if (!value.isEmpty()) {
      tags.addObject().put("key", key).put("value", value);
    }
  }

  private String experiment() throws IOException {
    String query = URLEncoder.encode(server.experiment(), StandardCharsets.UTF_8);
    HttpResponse<String> found =
        send(request("experiments/get-by-name?experiment_name=" + query).GET().build());
    if (found.statusCode() == 200) {
      return JSON.readTree(found.body()).path("experiment").path("experiment_id").asText();
    }
    if (found.statusCode() != 404) {
      throw refused("experiments/get-by-name", found);
    }
    ObjectNode create = JsonNodeFactory.instance.objectNode().put("name", server.experiment());
    return post("experiments/create", create).path("experiment_id").asText();
  }

  private void parameters(JsonNode config) throws IOException {
    List<Map.Entry<String, JsonNode>> all = new ArrayList<>(config.properties());
    for (int i = 0; i < all.size(); i += PARAMS_OF_A_REQUEST) {
      ObjectNode batch = JsonNodeFactory.instance.objectNode().put("run_id", runId);
      ArrayNode params = batch.putArray("params");
      for (Map.Entry<String, JsonNode> one :
          all.subList(i, Math.min(all.size(), i + PARAMS_OF_A_REQUEST))) {
        JsonNode value = one.getValue();
        String text = value.isValueNode() ? value.asText() : value.toString();
        params
            .addObject()
            .put("key", one.getKey())
            .put("value", text.substring(0, Math.min(text.length(), MOST_CHARACTERS)));
      }
      post("runs/log-batch", batch);
    }
  }

  @Override
  public void write(RunUpdate update) throws IOException {
    List<Point> points = update.points();
    for (int i = 0; i < points.size(); i += METRICS_OF_A_REQUEST) {
      ObjectNode batch = JsonNodeFactory.instance.objectNode().put("run_id", runId);
      ArrayNode metrics = batch.putArray("metrics");
      for (Point point : points.subList(i, Math.min(points.size(), i + METRICS_OF_A_REQUEST))) {
        metrics
            .addObject()
            .put("key", key(point.series()))
            .put("value", point.value())
            .put("timestamp", point.timeMillis())
            .put("step", point.x());
      }
      post("runs/log-batch", batch);
    }
    if (update.status() != RunStatus.RUNNING) {
      sendFiles();
      ObjectNode end = JsonNodeFactory.instance.objectNode().put("run_id", runId);
      end.put("status", status(update.status())).put("end_time", System.currentTimeMillis());
      post("runs/update", end);
    }
  }

  /**
   * A series by a name that MLflow takes (letters, digits and {@code _-./: }): of a batch with
   * another one it takes nothing. {@code recall@5} is {@code recall_at_5}, as in its own metrics.
   */
  private static String key(String series) {
    return NO_KEY.matcher(series.replace("@", "_at_")).replaceAll("_");
  }

  private static String status(RunStatus status) {
    return switch (status) {
      case FINISHED -> "FINISHED";
      case FAILED -> "FAILED";
      case INTERRUPTED -> "KILLED";
      case RUNNING -> "RUNNING";
      case UNKNOWN -> throw new IllegalArgumentException("a run ends in a way that is known");
    };
  }

  /** Where the server takes artifacts over HTTP; elsewhere they lie in a store of its own. */
  private void sendFiles() throws IOException {
    if (!artifacts.startsWith(ARTIFACTS)) {
      return;
    }
    String path = artifacts.substring(ARTIFACTS.length()).replaceFirst("^//[^/]*", "");
    for (String name : SENT) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        URI uri =
            URI.create(server.uri() + "/api/2.0/mlflow-artifacts/artifacts" + path + "/" + name);
        HttpResponse<String> answer = send(headed(uri).PUT(BodyPublishers.ofFile(file)).build());
        if (answer.statusCode() >= 300) {
          throw refused(name, answer);
        }
      }
    }
  }

  private HttpRequest.Builder request(String call) {
    return headed(URI.create(server.uri() + API + call));
  }

  private HttpRequest.Builder headed(URI uri) {
    HttpRequest.Builder builder = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(10));
    Map<String, String> headers = new LinkedHashMap<>();
    headers.put("Content-Type", "application/json");
    if (server.authorization() != null) {
      headers.put("Authorization", server.authorization());
    }
    headers.forEach(builder::header);
    return builder;
  }

  private JsonNode post(String call, ObjectNode body) throws IOException {
    HttpResponse<String> answer =
        send(request(call).POST(BodyPublishers.ofString(body.toString())).build());
    if (answer.statusCode() >= 300) {
      throw refused(call, answer);
    }
    return JSON.readTree(answer.body());
  }

  private static IOException refused(String call, HttpResponse<String> answer) {
    String body = answer.body().strip();
    return new IOException(
        call
            + ": status "
            + answer.statusCode()
            + (body.isEmpty() ? "" : ", " + body.substring(0, Math.min(200, body.length()))));
  }

  /** Java's client often leaves it to the type of a failure to say what happened. */
  private static String reason(IOException failure) {
    if (failure.getMessage() != null) {
      return failure.getMessage();
    }
    return failure instanceof HttpTimeoutException
        ? "no answer in time"
        : failure instanceof ConnectException ? "connection refused" : failure.toString();
  }

  /** Sends; once more after a moment where nobody answered or the server could not. */
  private HttpResponse<String> send(HttpRequest request) throws IOException {
    IOException failure = null;
    for (int i = 0; i < TRIES; i++) {
      try {
        if (i > 0) {
          Thread.sleep(pauseMillis << i);
        }
        HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
        boolean mayPass = answer.statusCode() == 429 || answer.statusCode() >= 500;
        if (!mayPass || i == TRIES - 1) {
          return answer;
        }
      } catch (IOException e) {
        failure = e;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
    throw new IOException(reason(failure), failure);
  }
}
