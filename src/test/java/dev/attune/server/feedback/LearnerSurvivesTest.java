package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server that learns is killed (SIGKILL) at random instants: no correction is lost, none is
 * learned twice, a whole version answers after each start, and the versions have the bytes of a
 * server that nobody killed. {@code -Dattune.server.kills=100} tries it more often.
 */
@Timeout(3600)
class LearnerSurvivesTest {
  private static final String MODEL = "/v1/models/reviews";
  private static final int BATCHES = 6;
  private static final int KILLS = Integer.getInteger("attune.server.kills", BATCHES);

  @TempDir private static Path shared;
  private static Path classifier;

  @TempDir private Path data;

  @BeforeAll
  static void write() {
    classifier = TinyDrift.write(shared);
  }

  private static String settings(String file) {
    return "{\"replay_file\": \""
        + file
        + "\", \"min_corrections\": 10, \"learning_rate\": 3e-3, \"epochs\": 4, \"max_seconds\": 86400,"
        + " \"old_tolerance\": 0.05, \"replay_share\": 0.75}";
  }

  private static List<LabelledText> batch(int number) {
    return TinyDrift.recent(10 * BATCHES, 2).subList(10 * number, 10 * number + 10);
  }

  /** A server in a process of its own. */
  private static final class Child {
    private final Path data;
    private Process process;
    private int port;
    private String file;

    Child(Path data) throws IOException {
      this.data = data;
      start();
    }

    void start() throws IOException {
      process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-cp",
                  System.getProperty("java.class.path"),
                  FeedbackServer.class.getName(),
                  data.toString(),
                  "reviews",
                  classifier.toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      BufferedReader said = process.inputReader();
      String line = said.readLine();
      assertTrue(line != null && line.startsWith("port "), "the server said: " + line);
      port = Integer.parseInt(line.substring(5));
      file = said.readLine();
    }

    void kill() throws Exception {
      process.destroyForcibly().waitFor();
    }

    JsonNode call(String method, String path, String body, String... headers) throws Exception {
      HttpResponse<String> response = FeedbackServer.send(port, method, path, body, headers);
      assertEquals(200, response.statusCode(), response.body());
      return FeedbackServer.JSON.readTree(response.body());
    }
  }

  @Test
  void killedAtAnyInstant() throws Exception {
    JsonNode undisturbed;
    try (FeedbackServer server =
        new FeedbackServer(data.resolve("whole"), Map.of("reviews", classifier))) {
      server.call(
          "POST",
          MODEL + "/learner",
          settings(server.file("local", "old.jsonl", TinyDrift.old(256, 1))));
      for (int i = 0; i < BATCHES; i++) {
        server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(batch(i)));
        server.settled("reviews");
      }
      undisturbed = server.call("GET", MODEL + "/versions", null).get("data");
    }
    long seed = Long.getLong("attune.seed", 15);
    Random random = new Random(seed);
    List<String> acknowledged = new ArrayList<>();
    int kills = 0;
    Child child = new Child(data.resolve("killed"));
    try {
      child.call("POST", MODEL + "/learner", settings(child.file));
      for (int i = 0; i < BATCHES; i++) {
        String body = FeedbackServer.corrections(batch(i));
        JsonNode kept =
            child.call("POST", MODEL + "/feedback", body, "Idempotency-Key", "batch " + i);
        for (int k = 0; k < (KILLS + BATCHES - 1) / BATCHES; k++) {
          Thread.sleep(random.nextInt(1500));
          child.kill();
          kills++;
          child.start();
          child.call("POST", "/v1/answer", "{\"model\": \"reviews\", \"input\": \"a phone\"}");
          JsonNode again =
              child.call("POST", MODEL + "/feedback", body, "Idempotency-Key", "batch " + i);
          assertEquals(kept.findValuesAsText("id"), again.findValuesAsText("id"));
        }
        kept.get("data").forEach(one -> acknowledged.add(one.get("id").asText()));
        FeedbackServer.settled(child.port, "reviews");
      }
      JsonNode list = child.call("GET", MODEL + "/feedback?limit=1000", null).get("data");
      List<String> there = new ArrayList<>(list.findValuesAsText("id"));
      Collections.reverse(there);
      assertEquals(acknowledged, there, "seed " + seed);
      JsonNode versions = child.call("GET", MODEL + "/versions", null).get("data");
      assertEquals(
          undisturbed.findValuesAsText("state"), versions.findValuesAsText("state"), "" + versions);
      assertEquals(undisturbed.findValuesAsText("live"), versions.findValuesAsText("live"));
      assertEquals(
          undisturbed.findValues("report").toString(), versions.findValues("report").toString());
    } finally {
      child.kill();
    }
    int compared = 0;
    for (JsonNode version : undisturbed) {
      String name = "v" + version.get("version").asInt();
      if (version.get("version").asInt() > 1) {
        assertArrayEquals(
            LearnerTest.weights(data.resolve("whole"), name),
            LearnerTest.weights(data.resolve("killed"), name),
            name + ", seed " + seed);
        compared++;
      }
    }
    assertEquals(BATCHES, compared);
    System.out.printf(
        "survived: corrections: {%d kills, %d corrections, %d versions, seed %d}%n",
        kills, acknowledged.size(), compared, seed);
  }
}
