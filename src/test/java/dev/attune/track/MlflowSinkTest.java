package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static dev.attune.track.TrackTrial.steps;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** MLflow's REST protocol, against a server that answers as its documentation says. */
class MlflowSinkTest {
  private record Call(String method, String path, JsonNode body, String authorization) {}

  @TempDir private Path folder;
  private final List<Call> calls = Collections.synchronizedList(new ArrayList<>());
  private HttpServer server;
  private boolean knowsExperiment;
  private volatile int failures;
  private volatile int refusals; // of parameters and metrics

  @BeforeEach
  void serve() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().toString();
    byte[] sent = exchange.getRequestBody().readAllBytes();
    boolean isJson = !path.contains("artifacts") && sent.length > 0;
    calls.add(
        new Call(
            exchange.getRequestMethod(),
            path,
            isJson ? new ObjectMapper().readTree(sent) : null,
            exchange.getRequestHeaders().getFirst("Authorization")));
    int status = 200;
    String body = "{}";
    if (failures > 0) {
      failures--;
      status = 503;
    } else if (refusals > 0 && path.endsWith("log-batch")) {
      refusals--;
      status = 400;
    } else if (path.contains("get-by-name")) {
      status = knowsExperiment ? 200 : 404;
      body =
          knowsExperiment
              ? "{\"experiment\":{\"experiment_id\":\"7\"}}"
              : "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}";
    } else if (path.endsWith("experiments/create")) {
      body = "{\"experiment_id\":\"8\"}";
    } else if (path.endsWith("runs/create")) {
      body =
          "{\"run\":{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":\"mlflow-artifacts:/8/r1/artifacts\"}}}";
    }
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private MlflowSink sink() {
    URI uri = URI.create("http://localhost:" + server.getAddress().getPort());
    return new MlflowSink(new MlflowSink.Server(uri, "reviews", "Bearer t"), folder, 1);
  }

  private List<String> paths() {
    return calls.stream()
        .map(call -> call.method() + " " + call.path().replaceFirst("/api/2.0/mlflow", ""))
        .toList();
  }

  @Test
  void aRunIsCreatedWithItsOptionsAndEndsWithItsStatus() throws IOException {
    Files.writeString(folder.resolve("run.yaml"), "epochs: 3\n");
    MlflowSink sink = sink();
    sink.begin(start(folder, 0));
    sink.write(steps(1, 1500, RunStatus.RUNNING));
    sink.write(new RunUpdate(List.of(), Map.of(), 1500, 1500, RunStatus.FINISHED));
    assertEquals(
        List.of(
            "GET /experiments/get-by-name?experiment_name=reviews",
            "POST /experiments/create",
            "POST /runs/create",
            "POST /runs/log-batch",
            "POST /runs/log-batch",
            "POST /runs/log-batch",
            "PUT -artifacts/artifacts/8/r1/artifacts/run.yaml",
            "POST /runs/update"),
        paths());
    JsonNode create = calls.get(2).body();
    assertEquals("8", create.path("experiment_id").asText());
    assertEquals(1_000_000, create.path("start_time").asLong());
    assertEquals("epochs", calls.get(3).body().path("params").get(0).path("key").asText());
    JsonNode metrics = calls.get(4).body().path("metrics");
    assertEquals(1000, metrics.size());
    assertEquals(500, calls.get(5).body().path("metrics").size());
    assertEquals(
        "{\"key\":\"train/loss\",\"value\":2.5,\"timestamp\":1000004,\"step\":4}",
        metrics.get(3).toString());
    assertEquals("FINISHED", calls.get(7).body().path("status").asText());
    assertTrue(calls.stream().allMatch(call -> call.authorization().equals("Bearer t")));
  }

  @Test
  void aRunThatGoesOnIsTheSameThere() throws IOException {
    knowsExperiment = true;
    sink().begin(start(folder, 0));
    calls.clear();
    MlflowSink again = sink();
    again.begin(start(folder, 5));
    again.write(steps(6, 7, RunStatus.INTERRUPTED));
    assertEquals(
        List.of("POST /runs/update", "POST /runs/log-batch", "POST /runs/update"), paths());
    assertEquals("r1", calls.get(1).body().path("run_id").asText());
    assertEquals("KILLED", calls.get(2).body().path("status").asText());
  }

  @Test
  void anotherTryToBeginIsNotAnotherRun() throws IOException {
    refusals = 1;
    MlflowSink sink = sink();
    assertThrows(IOException.class, () -> sink.begin(start(folder, 0)));
    sink.begin(start(folder, 0));
    sink.write(steps(1, 2, RunStatus.RUNNING));
    assertEquals(1, paths().stream().filter(p -> p.endsWith("runs/create")).count());
    assertEquals("r1", calls.get(calls.size() - 1).body().path("run_id").asText());
  }

  @Test
  void aRunThatAnotherServerHasIsNewHere() throws IOException {
    Files.writeString(
        folder.resolve(MlflowSink.FILE),
        "{\"tracking_uri\":\"http://elsewhere:5000\",\"run_id\":\"r9\"}");
    sink().begin(start(folder, 5));
    assertEquals(1, paths().stream().filter(p -> p.endsWith("runs/create")).count());
    assertTrue(calls.stream().noneMatch(call -> String.valueOf(call.body()).contains("r9")));
  }

  @Test
  void metricsHaveNamesThatTheServerTakes() throws IOException {
    MlflowSink sink = sink();
    sink.begin(start(folder, 0));
    List<Point> points =
        List.of(
            new Point("eval/recall@5", 1, 5, 0.5),
            new Point("eval/f1 (größe)", 1, 5, 0.5),
            new Point("system/rss_bytes", 1, 5, 0.5));
    sink.write(new RunUpdate(points, Map.of(), 1, 2, RunStatus.RUNNING));
    List<String> keys = new ArrayList<>();
    calls
        .get(calls.size() - 1)
        .body()
        .path("metrics")
        .forEach(metric -> keys.add(metric.path("key").asText()));
    assertEquals(List.of("eval/recall_at_5", "eval/f1 _größe_", "system/rss_bytes"), keys);
  }

  @Test
  void aServerThatCannotForAMomentIsAskedAgain() throws IOException {
    failures = 2;
    sink().begin(start(folder, 0));
    assertEquals(3, paths().stream().filter(p -> p.contains("get-by-name")).count());
    failures = 3;
    IOException refused = assertThrows(IOException.class, () -> sink().begin(start(folder, 0)));
    assertTrue(refused.getMessage().contains("status 503"), refused.getMessage());
  }

  @Test
  void aServerThatIsNotThereIsAFailureAndWhatWasRecordedIsSentLater() throws IOException {
    Path store = folder.resolve("runs");
    try (RunStoreSink recorded = new RunStoreSink(store)) {
      recorded.begin(start(folder, 0));
      recorded.write(steps(1, 30, RunStatus.FINISHED));
    }
    int port = server.getAddress().getPort();
    server.stop(0);
    assertThrows(IOException.class, () -> sink().begin(start(folder, 0)));
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.createContext("/", this::answer);
    server.start();
    try (RunStore runs = RunStore.open(store)) {
      Replay.send(runs, runs.runs().get(0), sink());
    }
    List<Call> batches = calls.stream().filter(c -> c.path().endsWith("log-batch")).toList();
    assertEquals(30, batches.get(1).body().path("metrics").size());
    assertEquals("FINISHED", calls.get(calls.size() - 1).body().path("status").asText());
  }

  @Test
  void aServerThatIsGoneHoldsARunUpForSecondsAtMost() {
    List<String> troubles = new ArrayList<>();
    URI nobody = URI.create("http://127.0.0.1:9");
    MlflowSink gone =
        new MlflowSink(new MlflowSink.Server(nobody, "reviews", null), Path.of("out/x"));
    Tracker tracker = new Tracker(start(folder, 0), 1, List.of(gone));
    tracker.ended(RunStatus.FINISHED);
    long begin = System.nanoTime();
    tracker.close();
    assertTrue(System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(8));
    tracker.tellTroubles(troubles::add);
    assertTrue(
        troubles
            .get(0)
            .startsWith("MLflow at http://127.0.0.1:9 cannot be written (connection refused)"),
        troubles::toString);
    String last = troubles.get(troubles.size() - 1);
    assertTrue(last.contains("did not answer in time"), last);
    assertTrue(
        last.endsWith("attune runs send out/x " + Term.REPORT_TO.of("mlflow") + " tells it later"),
        last);
  }

  @Test
  void theServerIsWhatTheEnvironmentSays() {
    Map<String, String> set =
        Map.of(
            "MLFLOW_TRACKING_URI", "http://mlflow.example:5000/",
            "MLFLOW_TRACKING_USERNAME", "me",
            "MLFLOW_TRACKING_PASSWORD", "secret");
    assertEquals(
        new MlflowSink.Server(
            URI.create("http://mlflow.example:5000"), "Default", "Basic bWU6c2VjcmV0"),
        MlflowSink.Server.of(set::get));
    String none =
        assertThrows(InputException.class, () -> MlflowSink.Server.of(name -> null)).getMessage();
    assertTrue(none.contains("MLFLOW_TRACKING_URI") && none.contains("not set"), none);
    assertThrows(
        InputException.class,
        () -> MlflowSink.Server.of(Map.of("MLFLOW_TRACKING_URI", "./mlruns")::get));
  }
}
