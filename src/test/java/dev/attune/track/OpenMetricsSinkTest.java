package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static dev.attune.track.TrackTrial.steps;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The latest numbers, in a file and on a port. */
class OpenMetricsSinkTest {
  private static final String EXPECTED =
      """
      # TYPE attune_running gauge
      attune_running{run="out"} 1.0
      # TYPE attune_step gauge
      attune_step{run="out"} 4.0
      # TYPE attune_total_steps gauge
      attune_total_steps{run="out"} 20.0
      # TYPE attune_train_loss gauge
      attune_train_loss{run="out"} 2.5
      # EOF
      """;

  @TempDir private Path folder;

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  @Test
  void theFileAndThePortHaveTheLatestValues() throws Exception {
    Path file = folder.resolve("metrics.prom");
    int port = freePort();
    try (OpenMetricsSink sink = new OpenMetricsSink(file, port)) {
      sink.begin(start(folder.resolve("out"), 0));
      sink.write(steps(1, 2, RunStatus.RUNNING));
      sink.write(steps(3, 4, RunStatus.RUNNING));
      assertEquals(EXPECTED, Files.readString(file));
      HttpResponse<String> answer =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/metrics"))
                      .build(),
                  BodyHandlers.ofString());
      assertEquals(EXPECTED, answer.body());
      assertEquals(
          "application/openmetrics-text; version=1.0.0; charset=utf-8",
          answer.headers().firstValue("Content-Type").orElseThrow());
    }
  }

  @Test
  void namesOfRunsAreQuoted() {
    assertEquals("# EOF\n", OpenMetricsSink.text("a", Map.of()));
    assertEquals(
        "# TYPE attune_a_b gauge\nattune_a_b{run=\"x\\\"\\\\\"} NaN\n# EOF\n",
        OpenMetricsSink.text("x\"\\", Map.of("a/b", Double.NaN)));
  }

  @Test
  void seriesWhoseNamesAreTheSameThereAreToldApart() {
    assertEquals(
        """
        # TYPE attune_eval_f1_a gauge
        attune_eval_f1_a{run="x",series="eval/f1.a"} 1.0
        attune_eval_f1_a{run="x",series="eval/f1_a"} 2.0
        # TYPE attune_step gauge
        attune_step{run="x"} 3.0
        # EOF
        """,
        OpenMetricsSink.text(
            "x", new TreeMap<>(Map.of("eval/f1.a", 1.0, "eval/f1_a", 2.0, "step", 3.0))));
  }
}
