package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Corrections over HTTP: kept once, refused by name, seen by their tenant alone. */
@Timeout(120)
class FeedbackApiTest {
  private static final String PATH = "/v1/models/reviews/feedback";
  private static final String LEARNER = "/v1/models/reviews/learner";

  @TempDir private static Path shared;
  private static Path classifier;
  private static Path decoder;

  @TempDir private Path data;
  private FeedbackServer server;

  @BeforeAll
  static void write() {
    classifier = TinyDrift.write(shared);
    try (Backend backend = new CpuBackend(1)) {
      decoder = TinyDecoder.write(shared.resolve("llama"), backend, 32);
    }
  }

  @BeforeEach
  void start() throws Exception {
    server = new FeedbackServer(data, Map.of("reviews", classifier, "llama", decoder));
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }

  @Test
  void aCorrectionIsKeptAndSurvivesARestart() throws Exception {
    JsonNode one =
        server.call("POST", PATH, "{\"input\": \"it is good\", \"label\": \"positive\"}");
    assertEquals("model.correction", one.get("object").asText());
    assertEquals("it is good", one.get("input").asText());
    JsonNode several =
        server.call("POST", PATH, FeedbackServer.corrections(TinyDrift.recent(3, 1)));
    assertEquals(3, several.get("data").size());
    stop();
    start();
    JsonNode list = server.call("GET", PATH, null);
    assertEquals(4, list.get("data").size());
    assertEquals(one.get("id"), list.get("data").get(3).get("id"), "the newest first");
    JsonNode page = server.call("GET", PATH + "?limit=2", null);
    assertTrue(page.get("has_more").asBoolean());
    JsonNode rest =
        server.call("GET", PATH + "?limit=2&after=" + page.get("last_id").asText(), null);
    assertEquals(one.get("id"), rest.get("last_id"));
    assertEquals(false, rest.get("has_more").asBoolean());
  }

  @Test
  void anIdempotencyKeyKeepsThemOnce() throws Exception {
    String body = FeedbackServer.corrections(TinyDrift.recent(3, 1));
    JsonNode first = server.call("POST", PATH, body, "Idempotency-Key", "a");
    assertEquals(first, server.call("POST", PATH, body, "Idempotency-Key", "a"));
    stop();
    start();
    assertEquals(first, server.call("POST", PATH, body, "Idempotency-Key", "a"));
    assertEquals(3, server.call("GET", PATH, null).get("data").size());
    assertNotEquals(first, server.call("POST", PATH, body, "Idempotency-Key", "b"));
    assertEquals(
        "409 null: The idempotency key 'a' has come before, with other corrections",
        server.refusal(
            "POST",
            PATH,
            FeedbackServer.corrections(TinyDrift.recent(2, 1)),
            "Idempotency-Key",
            "a"));
    assertEquals(6, server.call("GET", PATH, null).get("data").size());
  }

  @Test
  void whatCannotBeLearnedIsRefusedByNameAndAsAWhole() throws Exception {
    assertEquals(
        "400 label: 'label' is 'great', which 'reviews' does not know; its labels are"
            + " positive, negative",
        server
            .refusal("POST", PATH, "{\"input\": \"a\", \"label\": \"great\"}")
            .replace("negative, positive", "positive, negative"));
    String second = "{\"corrections\": [{\"input\": \"a\", \"label\": \"positive\"}, %s]}";
    assertTrue(
        server
            .refusal("POST", PATH, second.formatted("{\"input\": \"a\", \"label\": \"x\"}"))
            .startsWith("400 corrections[1].label: 'corrections[1].label' is 'x'"));
    assertEquals(
        "400 corrections[1].label: 'corrections[1].label' is missing",
        server.refusal("POST", PATH, second.formatted("{\"input\": \"a\"}")));
    assertEquals(
        "400 corrections[1].weight: not supported here: 'corrections[1].weight'",
        server.refusal(
            "POST",
            PATH,
            second.formatted("{\"input\": \"a\", \"label\": \"positive\", \"weight\": 2}")));
    assertEquals(
        "400 input: 'input' has no characters; it must have 1 to 100000",
        server.refusal("POST", PATH, "{\"input\": \" \", \"label\": \"positive\"}"));
    assertEquals(
        "400 input: 'input' holds half a character (a surrogate without its other half)",
        server.refusal("POST", PATH, "{\"input\": \"\\ud83d\", \"label\": \"positive\"}"));
    assertTrue(
        server
            .refusal("POST", PATH, "{\"corrections\": []}")
            .startsWith("400 corrections: 'corrections' has 0 elements"));
    assertEquals(0, server.call("GET", PATH, null).get("data").size());
    assertTrue(
        server
            .refusal(
                "POST", "/v1/models/llama/feedback", "{\"input\": \"a\", \"label\": \"positive\"}")
            .startsWith("400 model: 'llama' takes no corrections: it was trained for causal-lm"));
    assertEquals(
        "404 model: There is no model 'other'",
        server.refusal(
            "POST", "/v1/models/other/feedback", "{\"input\": \"a\", \"label\": \"positive\"}"));
  }

  @Test
  void tenantsDoNotSeeEachOthersCorrectionsNorLearnFromThem() throws Exception {
    String file = server.file("ann", "old.jsonl", TinyDrift.old(200, 1));
    String[] ann = {"Authorization", "Bearer ann"};
    String[] bob = {"Authorization", "Bearer bob"};
    server.call("POST", PATH, FeedbackServer.corrections(TinyDrift.recent(3, 1)), ann);
    assertEquals(3, server.call("GET", PATH, null, ann).get("data").size());
    assertEquals(0, server.call("GET", PATH, null, bob).get("data").size());
    String learner = "{\"replay_file\": \"" + file + "\"}";
    assertTrue(
        server.refusal("POST", LEARNER, learner, bob).startsWith("404 null: There is no file"));
    server.call("POST", LEARNER, learner, ann);
    assertTrue(server.refusal("GET", LEARNER, null, bob).startsWith("404 "));
    assertEquals(
        1, server.call("GET", LEARNER + "", null, ann).get("corrections").size() > 0 ? 1 : 0);
    assertEquals(
        0, server.call("GET", "/v1/models/reviews/versions", null, bob).get("data").size());
    assertEquals(
        1, server.call("GET", "/v1/models/reviews/versions", null, ann).get("data").size());
  }

  @Test
  void aLearnerWithoutUsableOldDataIsRefused() throws Exception {
    assertTrue(
        server
            .refusal("POST", LEARNER, "{}")
            .startsWith("400 replay_file: 'replay_file' is missing"));
    String few = server.file("local", "few.jsonl", TinyDrift.old(30, 1));
    assertTrue(
        server
            .refusal("POST", LEARNER, "{\"replay_file\": \"" + few + "\"}")
            .startsWith("400 held_out_file: there are "));
    String other =
        server.file("local", "other.jsonl", List.of(new LabelledText("a text", null, "maybe")));
    assertTrue(
        server
            .refusal("POST", LEARNER, "{\"replay_file\": \"" + other + "\"}")
            .startsWith(
                "400 replay_file: '" + other + "', row 1 has the label 'maybe', which the model"));
    assertEquals(
        "400 old_tolerance: 'old_tolerance' is 2; it must be a number from 0.0 to 1.0",
        server.refusal("POST", LEARNER, "{\"old_tolerance\": 2}"));
    assertEquals(
        "400 rate: not supported here: 'rate'", server.refusal("POST", LEARNER, "{\"rate\": 2}"));
    assertTrue(server.refusal("DELETE", LEARNER, null).startsWith("404 "));
  }
}
