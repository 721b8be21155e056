package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.access.Limits;
import dev.attune.server.models.ModelRoom;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A model that learns a new domain from corrections while it answers. */
@Timeout(300)
class LearnerTest {
  private static final String MODEL = "/v1/models/reviews";
  private static final String SETTINGS =
      "{\"replay_file\": \"%s\", \"min_corrections\": 10, \"learning_rate\": 3e-3, \"epochs\": 4%s}";

  @TempDir private static Path shared;
  private static Path classifier;

  @TempDir private Path data;

  @BeforeAll
  static void write() {
    classifier = TinyDrift.write(shared);
  }

  private FeedbackServer start(Path folder) throws Exception {
    return new FeedbackServer(folder, Map.of("reviews", classifier));
  }

  private static void switchOn(FeedbackServer server, String more) throws Exception {
    String file = server.file("local", "old.jsonl", TinyDrift.old(256, 1));
    String share = more.contains("replay_share") ? "" : ", \"replay_share\": 0.75";
    server.call("POST", MODEL + "/learner", SETTINGS.formatted(file, more + share));
  }

  private static void teach(FeedbackServer server, List<LabelledText> rows) throws Exception {
    for (int at = 0; at < rows.size(); at += 10) {
      List<LabelledText> ten = rows.subList(at, Math.min(rows.size(), at + 10));
      server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(ten));
      server.settled("reviews");
    }
  }

  @Test
  void learnsANewDomainWhileSomebodyAsksAllTheTimeAndForgetsNothing() throws Exception {
    List<LabelledText> oldTest = TinyDrift.old(100, 8);
    List<LabelledText> newTest = TinyDrift.recent(100, 9);
    try (FeedbackServer server = start(data)) {
      switchOn(server, "");
      double oldBefore = server.accuracy("reviews", oldTest);
      double newBefore = server.accuracy("reviews", newTest);
      AtomicBoolean ends = new AtomicBoolean();
      AtomicInteger asked = new AtomicInteger();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Set<String> served = ConcurrentHashMap.newKeySet();
      Thread asker =
          new Thread(
              () -> {
                try {
                  while (!ends.get()) {
                    JsonNode answer =
                        server.call(
                            "POST",
                            "/v1/answer",
                            "{\"model\": \"reviews\", \"input\": \"a phone\"}");
                    served.add(answer.get("version").asText());
                    asked.incrementAndGet();
                  }
                } catch (Throwable e) {
                  failure.set(e);
                }
              });
      asker.start();
      teach(server, TinyDrift.recent(50, 2));
      ends.set(true);
      asker.join();
      assertEquals(null, failure.get());
      assertTrue(served.size() > 1, served + " of " + asked);
      double newAfter = server.accuracy("reviews", newTest);
      double oldAfter = server.accuracy("reviews", oldTest);
      assertTrue(newBefore < 0.75, "it knew the domain: " + newBefore);
      assertTrue(newAfter > 0.95, newBefore + " became " + newAfter);
      assertTrue(oldAfter >= oldBefore - 0.01, oldBefore + " became " + oldAfter);
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      JsonNode live = server.call("GET", MODEL + "/learner", null);
      assertEquals(
          versions.get(0).get("live").asBoolean() ? versions.get(0).get("id") : live.get("live"),
          live.get("live"));
      assertEquals(50, live.at("/corrections/total").asInt());
      assertEquals(newBefore, server.accuracy("reviews@v1", newTest), "called by its name");
    }
  }

  @Test
  void theSameCorrectionsGiveTheSameBytes() throws Exception {
    for (String run : List.of("a", "b")) {
      try (FeedbackServer server = start(data.resolve(run))) {
        switchOn(server, ", \"old_tolerance\": 1");
        teach(server, TinyDrift.recent(20, 2));
      }
    }
    for (String version : List.of("v2", "v3")) {
      assertArrayEquals(
          weights(data.resolve("a"), version), weights(data.resolve("b"), version), version);
    }
  }

  static byte[] weights(Path data, String version) throws Exception {
    try (Stream<Path> files = Files.walk(data.resolve("models"))) {
      Path file =
          files
              .filter(f -> f.endsWith(Path.of(version, "model.safetensors")))
              .findFirst()
              .orElseThrow();
      return Files.readAllBytes(file);
    }
  }

  @Test
  void whatTheGateRefusesDoesNotServeAndItsCorrectionsWait() throws Exception {
    try (FeedbackServer server = start(data)) {
      switchOn(server, ", \"replay_share\": 0");
      server.call("POST", MODEL + "/learner", "{\"min_corrections\": 40}");
      List<LabelledText> wrong = TinyDrift.wrong(TinyDrift.old(40, 5));
      server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(wrong));
      server.settled("reviews");
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      assertEquals(2, versions.size());
      JsonNode newest = versions.get(0);
      assertEquals("rejected", newest.get("state").asText(), newest.toString());
      assertTrue(newest.get("reason").asText().contains("old rows it has"), newest.toString());
      JsonNode state = server.call("GET", MODEL + "/learner", null);
      assertEquals("reviews@v1", state.get("live").asText());
      assertEquals(0, state.at("/corrections/learned").asInt());
      assertTrue(state.at("/corrections/waiting").asInt() > 20, state.toString());
      assertTrue(state.get("trouble").asText().contains("is rejected: on "), state.toString());
      assertEquals(1.0, server.accuracy("reviews", TinyDrift.old(20, 8)));
    }
  }

  @Test
  void oldDataInWhosePlaceOthersWereChosenGo() throws Exception {
    try (FeedbackServer server = start(data)) {
      switchOn(server, "");
      String file = server.file("local", "other.jsonl", TinyDrift.old(256, 3));
      server.call("POST", MODEL + "/learner", SETTINGS.formatted(file, ""));
      long kept = 0;
      for (int i = 0; i < 400 && kept != 1; i++) {
        Thread.sleep(25);
        try (Stream<Path> files = Files.walk(data.resolve("models"), 2)) {
          kept = files.filter(f -> f.getFileName().toString().startsWith("data-")).count();
        }
      }
      assertEquals(1, kept);
      teach(server, TinyDrift.recent(10, 2));
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      assertEquals(2, versions.size(), versions.toString());
    }
  }

  @Test
  void aModelHasSoManyCorrectionsAlone() throws Exception {
    try (FeedbackServer server = start(data)) {
      StringBuilder body = new StringBuilder("{\"corrections\": [");
      for (int i = 0; i < 50; i++) {
        body.append(i == 0 ? "" : ",").append("{\"input\": \"").append(i);
        body.append("a".repeat(99_000));
        body.append("\", \"label\": \"").append(TinyDrift.old(1, 1).get(0).label()).append("\"}");
      }
      body.append("]}");
      for (int i = 0; i < 4; i++) {
        server.call("POST", MODEL + "/feedback", body.toString());
      }
      String refusal = server.refusal("POST", MODEL + "/feedback", body.toString());
      assertTrue(refusal.startsWith("429") && refusal.contains("characters"), refusal);
    }
  }

  @Test
  void aVersionThatIsWorseOnWhatComesGoesBackByItself() throws Exception {
    try (FeedbackServer server = start(data)) {
      switchOn(server, ", \"old_tolerance\": 1, \"replay_share\": 0");
      teach(server, TinyDrift.wrong(TinyDrift.old(60, 5)));
      JsonNode live = server.call("GET", MODEL + "/learner", null);
      assertFalse(live.get("live").asText().endsWith("v1"), live.toString());
      server.call("POST", MODEL + "/learner", "{\"min_corrections\": 1000}");
      server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(TinyDrift.old(100, 11)));
      JsonNode state = server.settled("reviews");
      for (int i = 0; i < 100 && state.get("live").equals(live.get("live")); i++) {
        Thread.sleep(50);
        state = server.settled("reviews");
      }
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      JsonNode was = null;
      for (JsonNode version : versions) {
        was = version.get("id").equals(live.get("live")) ? version : was;
      }
      assertEquals("rolled_back", was.get("state").asText(), versions.toString());
      assertTrue(was.get("reason").asText().contains("right, the version before"));
      assertEquals(was.get("parent"), state.get("live"));
    }
  }

  @Test
  void versionsAreComparedRestoredAndLetGo() throws Exception {
    try (FeedbackServer server = start(data)) {
      switchOn(server, ", \"old_tolerance\": 1, \"kept_versions\": 1");
      server.models.heldBy(
          (session, tenant, id) ->
              id.equals("reviews@v2") ? Optional.of("somebody trains on it") : Optional.empty());
      teach(server, TinyDrift.recent(60, 2));
      server.call("POST", "/v1/answer", "{\"model\": \"reviews@v2\", \"input\": \"a\"}");
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      String newest = versions.get(0).get("id").asText();
      JsonNode compared = server.call("GET", MODEL + "/versions/v1/compare?with=" + newest, null);
      double before = compared.at("/new/accuracy/reviews@v1").asDouble();
      double after = compared.get("new").get("accuracy").get(newest).asDouble();
      assertTrue(after > before, compared.toString());
      assertEquals(
          compared.at("/new/differing_rows").asInt(), compared.at("/new/differing").size());
      List<String> states =
          versions.findValuesAsText("state").stream().filter("removed"::equals).toList();
      assertFalse(states.isEmpty(), versions.toString());
      String removed = "";
      for (JsonNode version : versions) {
        removed =
            version.get("state").asText().equals("removed") ? version.get("id").asText() : removed;
      }
      assertTrue(
          server
              .refusal("POST", "/v1/answer", "{\"model\": \"" + removed + "\", \"input\": \"a\"}")
              .contains("its state is 'removed'"));
      assertTrue(
          server
              .refusal("POST", MODEL + "/versions/" + removed + "/restore", null)
              .startsWith("409"));
      JsonNode restored = server.call("POST", MODEL + "/versions/v1/restore", null);
      assertTrue(restored.get("live").asBoolean());
      List<LabelledText> test = TinyDrift.recent(40, 9);
      assertEquals(server.accuracy("reviews@v1", test), server.accuracy("reviews", test));
      assertTrue(server.accuracy(newest, test) > server.accuracy("reviews", test));
      assertTrue(server.refusal("GET", MODEL + "/versions/v99", null).startsWith("404"));
      assertTrue(server.refusal("GET", MODEL + "/versions/..", null).startsWith("4"));
    }
  }

  /** What does not fit leaves nothing, and is made when there is room. */
  @Test
  void aVersionBeyondTheQuotaWaits() throws Exception {
    long used;
    try (FeedbackServer server = start(data)) {
      switchOn(server, "");
      used = bytes();
    }
    for (int more = 0; more < 2; more++) { // none is begun, and one is made that does not fit
      try (FeedbackServer server = start(used + more)) {
        List<LabelledText> ten = TinyDrift.recent(20, 2).subList(10 * more, 10 * more + 10);
        server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(ten));
        String trouble = "";
        String wanted = "There is no room for " + (more == 0 ? "1" : "\\d{4,}") + " bytes more: .*";
        for (int i = 0; i < 400 && !trouble.matches(wanted); i++) {
          Thread.sleep(25);
          trouble = server.call("GET", MODEL + "/learner", null).path("trouble").asText();
        }
        assertTrue(trouble.contains(used + " of " + (used + more) + " are used"), trouble);
        JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
        assertEquals("training", versions.get(0).get("state").asText(), versions.toString());
        String id = versions.get(0).get("id").asText();
        JsonNode report = server.call("GET", MODEL + "/versions/" + id, null).path("report");
        assertEquals(more > 0, report.path("needed_bytes").asLong() > 1000, report.toString());
        assertEquals("reviews@v1", versions.get(1).get("id").asText(), versions.toString());
        String refusal =
            server.refusal(
                "POST",
                MODEL + "/learner",
                SETTINGS.formatted(
                    server.file("local", "more.jsonl", TinyDrift.old(300, 4 + more)), ""));
        assertTrue(refusal.startsWith("429 null: There is no room for "), refusal);
      }
      assertEquals(used, bytes());
    }
    try (FeedbackServer server = start(data)) {
      server.settled("reviews");
      assertEquals(
          20, server.call("GET", MODEL + "/learner", null).at("/corrections/total").asInt());
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      assertTrue(versions.size() > 1, versions.toString());
      assertFalse(versions.findValuesAsText("state").contains("training"), versions.toString());
    }
  }

  /** A tenant makes room by keeping fewer versions, also for one that is begun already. */
  @Test
  void aVersionBeyondTheQuotaIsMadeOnceFewerAreKept() throws Exception {
    long used;
    try (FeedbackServer server = start(data)) {
      switchOn(server, ", \"old_tolerance\": 1");
      teach(server, TinyDrift.recent(60, 2));
      used = bytes();
    }
    try (FeedbackServer server = start(used + 1)) {
      List<LabelledText> ten = TinyDrift.recent(80, 2).subList(70, 80);
      server.call("POST", MODEL + "/feedback", FeedbackServer.corrections(ten));
      String trouble = "";
      for (int i = 0; i < 400 && !trouble.startsWith("There is no room for "); i++) {
        Thread.sleep(25);
        trouble = server.call("GET", MODEL + "/learner", null).path("trouble").asText();
      }
      JsonNode versions = server.call("GET", MODEL + "/versions", null).get("data");
      String waiting = versions.get(0).get("id").asText();
      assertEquals("training", versions.get(0).get("state").asText(), versions.toString());
      server.call("POST", MODEL + "/learner", "{\"kept_versions\": 1}");
      server.settled("reviews");
      versions = server.call("GET", MODEL + "/versions", null).get("data");
      assertEquals(waiting, versions.get(0).get("id").asText(), versions.toString());
      assertEquals("ready", versions.get(0).get("state").asText(), versions.toString());
      assertTrue(versions.get(0).at("/report/needed_bytes").isMissingNode(), versions.toString());
      assertTrue(versions.findValuesAsText("state").contains("removed"), versions.toString());
      assertTrue(bytes() <= used, "stays within the quota");
    }
  }

  private long bytes() throws Exception {
    return ModelRoom.bytes(List.of(data.resolve("models")));
  }

  private FeedbackServer start(long modelBytes) throws Exception {
    Limits limits =
        new Limits(
            Limits.NONE.fileBytes(),
            Limits.NONE.jobs(),
            Limits.NONE.requestsPerMinute(),
            Limits.NONE.sessions(),
            Limits.NONE.models(),
            modelBytes);
    return new FeedbackServer(data, Map.of("reviews", classifier), limits);
  }
}
