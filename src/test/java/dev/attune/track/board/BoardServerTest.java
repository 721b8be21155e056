package dev.attune.track.board;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
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
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the board's server answers, and to whom. */
@Timeout(60)
class BoardServerTest {
  @TempDir private Path folder;
  private RunStoreSink recording;
  private BoardServer board;

  private static RunUpdate steps(long first, long last) {
    List<Point> points =
        LongStream.rangeClosed(first, last)
            .mapToObj(step -> new Point("train/loss", step, step, 10.0 / step))
            .toList();
    return new RunUpdate(points, Map.of(), last, 20, RunStatus.RUNNING);
  }

  @BeforeEach
  void serve() throws IOException {
    Path store = folder.resolve("runs");
    recording = new RunStoreSink(store);
    recording.begin(
        new RunStart(
            "out",
            folder.resolve("out"),
            "classification",
            "tiny",
            0,
            1000,
            Map.of(Documents.CONFIG, JsonNodeFactory.instance.objectNode().put("epochs", "3"))));
    recording.write(steps(1, 4));
    board = BoardServer.start(store, 0);
  }

  @AfterEach
  void stop() throws IOException {
    board.close();
    recording.close();
  }

  private HttpResponse<String> get(String path) throws Exception {
    return HttpClient.newHttpClient()
        .send(
            HttpRequest.newBuilder(board.address().resolve(path)).build(), BodyHandlers.ofString());
  }

  @Test
  void thePageAndAllThatItNeedsComeFromHere() throws Exception {
    HttpResponse<String> page = get("/");
    assertEquals(200, page.statusCode());
    assertTrue(page.headers().firstValue("Content-Security-Policy").orElse("").contains("'none'"));
    for (String path :
        List.of(
            "/board.js",
            "/board.css",
            "/lib/preact.js",
            "/lib/uplot.js",
            "/lib/uplot.css",
            "/lib/pico.css")) {
      HttpResponse<String> answer = get(path);
      assertEquals(200, answer.statusCode(), path);
      String type = path.endsWith("js") ? "text/javascript" : "text/css";
      assertTrue(answer.headers().firstValue("Content-Type").orElse("").startsWith(type), path);
    }
    assertEquals(404, get("/etc/passwd").statusCode());
    assertEquals(404, get("/lib/../board.js/x").statusCode());
  }

  @Test
  void runsAreListedAndShown() throws Exception {
    JsonNode list = new ObjectMapper().readTree(get("/api/runs").body());
    assertEquals("running", list.get(0).path("status").asText());
    assertEquals(2.5, list.get(0).path("last").path("train/loss").asDouble());
    String id = list.get(0).path("id").asText();
    JsonNode one = new ObjectMapper().readTree(get("/api/runs/" + id).body());
    assertEquals("3", one.path("config").path("epochs").asText());
    assertEquals(404, get("/api/runs/nothing").statusCode());
  }

  /** The next event of that name; its data. */
  private static JsonNode event(BufferedReader in, String name) throws IOException {
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.equals("event: " + name)) {
        return new ObjectMapper().readTree(in.readLine().substring("data: ".length()));
      }
    }
    throw new IOException("the stream ended without " + name);
  }

  @Test
  void newStepsArriveWhileTheyAreMade() throws Exception {
    String id = new ObjectMapper().readTree(get("/api/runs").body()).get(0).path("id").asText();
    URI address = board.address().resolve("/api/events?runs=" + id);
    HttpResponse<InputStream> answer =
        HttpClient.newHttpClient()
            .send(HttpRequest.newBuilder(address).build(), BodyHandlers.ofInputStream());
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8))) {
      assertEquals(4, event(in, "runs").get(0).path("step").asInt());
      JsonNode first = event(in, "points");
      assertEquals(
          "{\"run\":\""
              + id
              + "\",\"series\":\"train/loss\",\"reset\":true,"
              + "\"points\":[[1,10.0],[2,5.0],[3,3.3333333333333335],[4,2.5]]}",
          first.toString());
      recording.write(steps(5, 5));
      JsonNode next = event(in, "points");
      assertEquals(false, next.path("reset").asBoolean());
      assertEquals("[[5,2.0]]", next.path("points").toString());
    }
  }

  private String raw(String request) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), board.address().getPort())) {
      OutputStream out = socket.getOutputStream();
      out.write(request.getBytes(StandardCharsets.US_ASCII));
      out.flush();
      return new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
    }
  }

  @Test
  void onlyNamesOfThisMachineAreAnsweredAndNothingIsTaken() throws IOException {
    assertTrue(
        raw("GET /api/runs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .contains("403"));
    assertTrue(
        raw("POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .contains("405"));
    assertTrue(
        raw("GET /api/runs HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n")
            .contains("200"));
  }

  @Test
  void aPortThatIsTakenIsNamed() {
    int port = board.address().getPort();
    String said =
        assertThrows(InputException.class, () -> BoardServer.start(folder, port)).getMessage();
    assertTrue(said.contains("port " + port + " is in use"), said);
  }
}
