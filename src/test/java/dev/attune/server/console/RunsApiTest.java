package dev.attune.server.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.http.WebServer;
import dev.attune.track.Documents;
import dev.attune.track.Point;
import dev.attune.track.RunStart;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStoreSink;
import dev.attune.track.RunUpdate;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the console is told of runs, and what anybody is told of the page. */
@Timeout(60)
class RunsApiTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path data;
  private Path store;
  private WebServer server;
  private URI address;
  private RunStoreSink recording; // null: no run has begun

  @BeforeEach
  void serve() throws Exception {
    data = data.toRealPath();
    store = data.resolve("runs");
    RunsApi.JobFolders folders =
        (tenant, job) -> {
          if (!job.equals("ftjob-mine")) {
            throw ApiException.notFound(null, "There is no job '" + job + "'");
          }
          return data.resolve("models/mine");
        };
    List<Route> routes = new ArrayList<>(new ConsolePage().routes());
    routes.addAll(new RunsApi(store, folders, new Places(data, Map.of())).routes());
    Metrics metrics = new Metrics();
    Router router = new Router(routes, authorization -> Caller.LOCAL, "127.0.0.1", metrics);
    server = WebServer.start("127.0.0.1", 0, null, Duration.ofSeconds(5), router, metrics);
    address = server.address();
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
    if (recording != null) {
      recording.close();
    }
  }

  private static RunUpdate steps(long first, long last) {
    List<Point> points =
        LongStream.rangeClosed(first, last)
            .mapToObj(step -> new Point("train/loss", step, step, 10.0 / step))
            .toList();
    return new RunUpdate(points, Map.of(), last, 20, RunStatus.RUNNING);
  }

  private void begin() throws IOException {
    Path output = Files.createDirectories(data.resolve("models/mine"));
    recording = new RunStoreSink(store);
    recording.begin(
        new RunStart(
            "model",
            output,
            "classification",
            "tiny",
            0,
            1000,
            Map.of(
                Documents.CONFIG,
                JsonNodeFactory.instance.objectNode().put("output_dir", output.toString()))));
    recording.write(steps(1, 4));
  }

  private HttpResponse<String> get(String path) throws Exception {
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(address.resolve(path)).build(), BodyHandlers.ofString());
  }

  @Test
  void thePageAndAllThatItNeedsComeFromHereUnderItsPolicy() throws Exception {
    HttpResponse<String> lead = get("/");
    assertEquals(302, lead.statusCode());
    assertEquals("/console", lead.headers().firstValue("Location").orElse(""));
    HttpResponse<String> page = get("/console");
    assertEquals(200, page.statusCode());
    assertTrue(page.headers().firstValue("Content-Type").orElse("").startsWith("text/html"));
    for (String name :
        List.of("console.js", "console.css", "page.css", "chart.js", "lib/preact.js")) {
      HttpResponse<String> file = get("/console/" + name);
      assertEquals(200, file.statusCode(), name);
      String policy = file.headers().firstValue("Content-Security-Policy").orElse("");
      assertTrue(policy.contains("script-src 'self';"), policy);
    }
    for (String name :
        List.of("nothing.js", "lib/nothing.js", "..%2fboard%2fboard.js", "lib%2fpreact.js/x")) {
      int status = get("/console/" + name).statusCode();
      assertTrue(status == 404 || status == 400, name + ": " + status);
    }
  }

  @Test
  void aRunIsFoundByItsJobAndHasNoPathsOfTheServer() throws Exception {
    assertEquals(404, get("/v1/attune/jobs/ftjob-mine/run").statusCode());
    begin();
    HttpResponse<String> answer = get("/v1/attune/jobs/ftjob-mine/run");
    JsonNode run = JSON.readTree(answer.body());
    assertEquals("ftjob-mine", run.path("job").asText());
    assertEquals(2.5, run.path("last").path("train/loss").asDouble());
    assertEquals("models/mine", run.path("config").path("output_dir").asText());
    assertFalse(answer.body().contains(data.toString()), answer.body());
    assertEquals(404, get("/v1/attune/jobs/ftjob-theirs/run").statusCode());
  }

  /** The data of the next event of a kind. */
  private static JsonNode event(BufferedReader in, String object) throws IOException {
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.startsWith("data: ")) {
        JsonNode event = JSON.readTree(line.substring("data: ".length()));
        if (event.path("object").asText().equals(object)) {
          return event;
        }
      }
    }
    throw new IOException("the stream ended without " + object);
  }

  @Test
  void curvesArriveWhileTheyGrowAlsoOfAJobThatHasNotBegun() throws Exception {
    URI live = address.resolve("/v1/attune/live?jobs=ftjob-mine");
    HttpResponse<InputStream> answer =
        HttpClient.newHttpClient()
            .send(HttpRequest.newBuilder(live).build(), BodyHandlers.ofInputStream());
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8))) {
      begin();
      JsonNode first = event(in, "attune.curve");
      assertEquals("train/loss", first.path("series").asText());
      assertTrue(first.path("reset").asBoolean());
      assertEquals(4, first.path("points").size());
      assertEquals(4, event(in, "attune.run").path("step").asInt());
      recording.write(steps(5, 5));
      JsonNode next = event(in, "attune.curve");
      assertFalse(next.path("reset").asBoolean());
      assertEquals("[[5,2.0]]", next.path("points").toString());
    }
  }

  @Test
  void streamsAreAskedForByJobsOfOnesOwn() throws Exception {
    assertEquals(400, get("/v1/attune/live").statusCode());
    assertEquals(404, get("/v1/attune/live?jobs=ftjob-mine,ftjob-theirs").statusCode());
    String many = "ftjob-mine,".repeat(21);
    HttpResponse<String> answer = get("/v1/attune/live?jobs=" + many);
    assertEquals(400, answer.statusCode());
    assertTrue(answer.body().contains("20 are the most"), answer.body());
  }
}
