package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client.Answer;
import dev.attune.server.data.DataCheck;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What sessions keep: states, over the ends of servers. */
@Timeout(240)
class SessionStatesTest {
  @TempDir Path scratch;
  private TrainingTrial trial;

  @BeforeEach
  void makeBase() {
    TrainingTrial.makeBase(scratch);
    trial = new TrainingTrial(scratch);
  }

  @AfterEach
  void end() {
    trial.close();
  }

  private List<String> names(String session) throws Exception {
    return trial.get(session + "/states").findValuesAsText("name");
  }

  @Test
  void statesAreGoneOnFrom() throws Exception {
    trial.start();
    String session = trial.begin("");
    trial.train(session, 0, 2);
    JsonNode state = trial.done(session, "save_state", "{'name': 'two'}");
    assertEquals(2, state.path("steps").asInt());
    trial.train(session, 5, 8);
    trial.done(session, "save_state", "{'name': 'five'}");
    assertEquals(List.of("five", "two"), names(session));
    assertEquals(2, trial.done(session, "load_state", "{'name': 'two'}").path("steps").asInt());
    trial.train(session, 2, 4);
    byte[] expected = TrainingTrial.same(scratch, 4);
    assertArrayEquals(expected, trial.saved(session));

    String other = trial.begin("");
    String from = "{'name': 'two', 'session': '" + session.substring(1) + "'}";
    trial.post(other + "/load_state", from);
    trial.train(other, 2, 4);
    assertArrayEquals(expected, trial.saved(other));
    String unlike = trial.begin(", 'seed': 7");
    JsonNode refusal = trial.post(unlike + "/load_state?wait=true", from);
    assertTrue(refusal.at("/error/message").asText().contains("'two'"), refusal::toString);
    assertFalse(refusal.toString().contains(scratch.toString()), refusal::toString);

    trial.done(session, "save_state", "{'name': 'two'}");
    assertEquals(List.of("two", "five"), names(session));
    assertEquals(
        200, trial.client().delete(TrainingTrial.PATH + session + "/states/five").status());
    assertEquals(
        404, trial.client().delete(TrainingTrial.PATH + session + "/states/five").status());
    try (Stream<Path> folders = Files.list(trial.data().resolve("training" + session))) {
      assertEquals(1, folders.count());
    }
  }

  /** A server that ends in good order costs nothing but gradients, and says so. */
  @Test
  void aServerThatEndsSavesWhatWasTrained() throws Exception {
    trial.start();
    String session = trial.begin("");
    String half = trial.begin("");
    trial.train(session, 0, 3);
    TrainingTrial.succeeded(trial.post(session + "/sample?wait=true", "{'prompt': 'a'}"));
    trial.done(half, "forward_backward", TrainingTrial.gradient(0));
    trial.close();
    assertEquals(List.of(), DataCheck.of(trial.data()));
    trial.start();
    JsonNode now = trial.get(session);
    assertEquals("closed", now.path("status").asText());
    assertEquals(3, now.at("/restored_from/steps").asInt());
    assertEquals(0, now.at("/restored_from/lost_calls").asInt());
    assertTrue(now.at("/restored_from/state").isNull(), now::toString);
    trial.train(session, 3, 5);
    assertArrayEquals(TrainingTrial.same(scratch, 5), trial.saved(session));
    JsonNode lost = trial.get(half);
    assertEquals("restored", lost.path("status").asText());
    assertEquals(1, lost.at("/restored_from/lost_gradients").asInt());
  }

  @Test
  void aSessionThatNobodyUsesIsClosed() throws Exception {
    trial.start(TrainingTrial.config(scratch).sessionIdle(Duration.ofMillis(1500)));
    String session = trial.begin("");
    trial.train(session, 0, 2);
    trial.awaitStatus(session, "closed");
    assertTrue(trial.client().get("/metrics").text().contains("attune_training_memory_bytes 0\n"));
    trial.train(session, 2, 4);
    assertArrayEquals(TrainingTrial.same(scratch, 4), trial.saved(session));
    JsonNode gradient = trial.post(session + "/forward_backward", TrainingTrial.gradient(4));
    trial.awaitStatus(session, "restored");
    Answer refused =
        trial.client().post(TrainingTrial.PATH + session + "/optim_step", TrainingTrial.STEP);
    assertEquals(409, refused.status());
    assertEquals("session_restored", refused.json().at("/error/code").asText());
    assertTrue(refused.message().contains("gradients"), refused::text);
    assertEquals("succeeded", trial.ended(session, gradient).path("status").asText());
    trial.post(session + "/resume", "{}");
    trial.train(session, 4, 5);
    trial.awaitStatus(session, "closed");
    assertEquals(5, trial.get(session).path("steps").asInt());
  }

  /** Also of calls whose effect is lost: what was told is told again, to the last digit. */
  @Test
  void anAnswerOutlivesAKill() throws Exception {
    Process child = TrainingChild.begin(scratch, trial);
    String session;
    JsonNode sampled;
    JsonNode gradient;
    String ask = "{'prompt': 'a', 'max_tokens': 4, 'seed': 3, 'sequence': 3}";
    try {
      session = trial.begin("");
      gradient = trial.post(session + "/forward_backward?wait=true", TrainingTrial.gradient(0, 1));
      String update = TrainingTrial.STEP.replace("}", ", 'sequence': 2}");
      trial.done(session, "optim_step", update);
      sampled = trial.done(session, "sample", ask);
    } finally {
      child.destroyForcibly().waitFor();
    }
    child = TrainingChild.begin(scratch, trial);
    try {
      JsonNode again =
          trial.post(session + "/forward_backward?wait=true", TrainingTrial.gradient(0, 1));
      assertEquals(gradient.path("id"), again.path("id"));
      assertEquals("lost", again.path("status").asText());
      assertEquals(gradient.path("result").toString(), again.path("result").toString());
      again = trial.post(session + "/sample?wait=true", ask);
      assertEquals(sampled.toString(), again.path("result").toString());
      assertEquals("request_lost", again.at("/error/code").asText());
    } finally {
      child.destroyForcibly().waitFor();
    }
    // An end in good order loses nothing, and the answers are there.
    trial.start();
    trial.post(session + "/resume", "{}");
    trial.train(session, 0, 1);
    ask = ask.replace("3}", "1}"); // the numbers of what was given up are free
    JsonNode seen = trial.post(session + "/sample?wait=true", ask);
    trial.close();
    trial.start();
    assertEquals(seen.toString(), trial.post(session + "/sample", ask).toString());
    assertEquals(seen.toString(), trial.ended(session, seen).toString());
  }

  /** After a kill a session is what was saved last; what is lost is named, and given up aloud. */
  @Test
  void aKillCostsWhatNoStateHasSeen() throws Exception {
    Process child = TrainingChild.begin(scratch, trial);
    String session;
    List<JsonNode> calls = new ArrayList<>();
    try {
      session = trial.begin("");
      for (int step = 0; step < 5; step++) {
        calls.add(
            trial.post(session + "/forward_backward", TrainingTrial.gradient(step, 1 + 2 * step)));
        String number = ", 'sequence': " + (2 + 2 * step) + "}";
        calls.add(trial.post(session + "/optim_step", TrainingTrial.STEP.replace("}", number)));
        if (step == 1) {
          TrainingTrial.succeeded(trial.ended(session, calls.get(3)));
          trial.done(session, "save_state", "{'name': 'two'}");
        }
      }
      // One that waits for another that never comes.
      calls.add(trial.post(session + "/sample", "{'prompt': 'a', 'sequence': 12}"));
    } finally {
      child.destroyForcibly().waitFor();
    }
    assertEquals(List.of(), DataCheck.of(trial.data()));
    child = TrainingChild.begin(scratch, trial);
    try {
      JsonNode now = trial.get(session);
      assertEquals("restored", now.path("status").asText());
      assertEquals("two", now.at("/restored_from/state").asText());
      assertEquals(7, now.at("/restored_from/lost_calls").asInt(), now::toString);
      assertEquals(2, now.path("steps").asInt());
      assertEquals(
          2, TrainingTrial.succeeded(trial.ended(session, calls.get(3))).path("steps").asInt());
      JsonNode lost = trial.ended(session, calls.get(4));
      assertEquals("lost", lost.path("status").asText());
      assertEquals("request_lost", lost.at("/error/code").asText());
      assertEquals("lost", trial.ended(session, calls.get(10)).path("status").asText());
      // A retry is no new call, and a new one needs to know.
      JsonNode again = trial.post(session + "/forward_backward", TrainingTrial.gradient(2, 5));
      assertEquals(calls.get(4).path("id"), again.path("id"));
      Answer refused =
          trial
              .client()
              .post(
                  TrainingTrial.PATH + session + "/forward_backward",
                  TrainingTrial.gradient(2, 13));
      assertEquals(409, refused.status(), refused::text);
      assertTrue(refused.message().contains("'two', at step 2: 7 calls"), refused::text);
      JsonNode resumed = trial.post(session + "/resume", "{}");
      assertEquals(4, resumed.path("last_sequence").asInt());
      JsonNode third = trial.post(session + "/forward_backward", TrainingTrial.gradient(2, 5));
      assertFalse(third.path("id").equals(again.path("id")));
      trial.post(session + "/optim_step", TrainingTrial.STEP.replace("}", ", 'sequence': 6}"));
      trial.train(session, 3, 5);
      assertArrayEquals(TrainingTrial.same(scratch, 5), trial.saved(session));
      assertEquals("lost", trial.ended(session, calls.get(4)).path("status").asText());
    } finally {
      child.destroyForcibly().waitFor();
    }
  }

  @Test
  void theCheckKnowsStates() throws Exception {
    trial.start();
    String session = trial.begin("");
    trial.train(session, 0, 1);
    trial.done(session, "save_state", "{'name': 'a'}");
    trial.close();
    Path folder = trial.data().resolve("training" + session);
    Files.createDirectories(folder.resolve("state-unknown"));
    Files.createDirectories(trial.data().resolve("training/tsess-unknown"));
    Files.createDirectories(trial.data().resolve("models/adapter-unknown"));
    try (Stream<Path> files = Files.walk(folder)) {
      Path weights =
          files.filter(file -> file.toString().contains("weights")).findFirst().orElseThrow();
      byte[] bytes = Files.readAllBytes(weights);
      bytes[bytes.length / 2] ^= 1;
      Files.write(weights, bytes);
    }
    List<String> problems = DataCheck.of(trial.data());
    assertEquals(4, problems.size(), problems::toString);
    assertTrue(
        problems.get(0).startsWith("state a of " + session.substring(1)), problems::toString);
    assertTrue(problems.get(3).startsWith("left over: models/adapter-"), problems::toString);
    trial.start();
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(1, left.count());
    }
    JsonNode call = trial.post(session + "/sample?wait=true", "{'prompt': 'a'}");
    assertEquals("failed", call.path("status").asText());
    assertTrue(call.at("/error/message").asText().contains("'a'"), call::toString);
  }
}
