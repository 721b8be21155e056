package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.access.KeyStore;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.Caller.Scope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Training step by step from a client's side. */
@Timeout(180)
class SessionsTest extends SessionTestCase {
  @Test
  void fiveStepsAreThoseOfOneProcess() throws Exception {
    String session = trial.begin("");
    List<JsonNode> calls = new ArrayList<>();
    for (int step = 0; step < 5; step++) {
      Answer asked =
          trial
              .client()
              .post(
                  TrainingTrial.PATH + session + "/forward_backward", TrainingTrial.gradient(step));
      assertTrue(asked.status() == 202 || asked.status() == 200, asked::text); // done by then
      calls.add(asked.json());
      calls.add(trial.post(session + "/optim_step", TrainingTrial.STEP));
    }
    assertArrayEquals(TrainingTrial.same(shared, 5), trial.saved(session));
    for (int i = 0; i < calls.size(); i++) {
      JsonNode call = trial.ended(session, calls.get(i));
      assertEquals(i + 1, call.path("number").asInt());
      JsonNode result = TrainingTrial.succeeded(call);
      if (i % 2 == 0) {
        assertTrue(result.path("loss").asDouble() > 0, result::toString);
        assertTrue(result.at("/logprobs/0/0").isNull(), result::toString);
        assertTrue(result.at("/logprobs/3/6").asDouble() < 0, result::toString);
        assertEquals(4, result.path("logprobs").size());
      } else {
        assertEquals((i + 1) / 2, result.path("steps").asInt());
      }
    }
    JsonNode now = trial.get(session);
    assertEquals("open", now.path("status").asText());
    assertEquals(5, now.path("steps").asInt());
    assertEquals(4, now.at("/lora/rank").asInt());
    assertEquals(257, now.path("vocabulary_size").asInt());
    assertTrue(now.path("memory_bytes").asLong() > 10_000, now::toString);
    assertTrue(now.path("restored_from").isNull());
  }

  /** Each has the bytes that it would have alone. */
  @Test
  void sessionsTakeTurns() throws Exception {
    String one = trial.begin("");
    String two = trial.begin("");
    for (int step = 0; step < 4; step++) {
      trial.train(one, step, step + 1);
      trial.train(two, 2 * step, 2 * step + 2);
    }
    assertArrayEquals(TrainingTrial.same(shared, 8), trial.saved(two));
    assertArrayEquals(TrainingTrial.same(shared, 4), trial.saved(one));
  }

  @Test
  void aJobWaitsForTheMemoryOfASession() throws Exception {
    long need = trial.get(trial.begin("")).path("memory_bytes").asLong();
    trial.close();
    trial.start(
        TrainingTrial.config(shared)
            .dataDir(scratch.resolve("other"))
            .trainingMemoryBytes(need + 10_000));
    String session = trial.begin("");
    String rows = "{\"prompt\": \"a\", \"completion\": \" b\"}\n".repeat(8);
    String file = trial.client().upload("rows.jsonl", rows).json().path("id").asText();
    String job =
        TrainingTrial.good(
                trial
                    .client()
                    .post(
                        "fine_tuning/jobs",
                        "{'model': 'decoder', 'training_file': '"
                            + file
                            + "', 'attune': {'max_steps': 1, 'precision': 'fp32'}}"))
            .path("id")
            .asText();
    String path = "fine_tuning/jobs/" + job;
    while (!trial.client().get(path + "/events").text().contains("Waits for memory")) {
      assertNotEquals("succeeded", trial.client().get(path).json().path("status").asText());
      Thread.sleep(20);
    }
    trial.client().delete(TrainingTrial.PATH + session);
    while (!trial.client().get(path).json().path("status").asText().equals("succeeded")) {
      Thread.sleep(50);
    }
  }

  @Test
  void aTenantKeepsNoMoreModelsThanItMay() throws Exception {
    trial.close();
    trial.start(
        TrainingTrial.config(shared)
            .dataDir(scratch.resolve("few"))
            .tenantModels(2)
            .tenantModelBytes(1_000_000));
    String rows = "{\"prompt\": \"a\", \"completion\": \" b\"}\n".repeat(8);
    String file = trial.client().upload("rows.jsonl", rows).json().path("id").asText();
    String job =
        "{'model': 'decoder', 'training_file': '" + file + "', 'attune': {'max_steps': 1000000}}";
    String first =
        TrainingTrial.good(trial.client().post("fine_tuning/jobs", job)).path("id").asText();
    TrainingTrial.good(trial.client().post("fine_tuning/jobs/" + first + "/pause"));
    String session = trial.begin("");
    String model = trial.done(session, "save_adapter", "{}").path("model").asText();
    // One is there, and the job is going to make another.
    JsonNode refused = trial.post(session + "/save_adapter?wait=true", "{}");
    assertEquals("insufficient_quota", refused.at("/error/code").asText(), refused::toString);
    assertTrue(
        refused.at("/error/message").asText().contains("jobs that will make 1 more, of 2"),
        refused::toString);
    Answer many = trial.client().post("fine_tuning/jobs", job);
    assertEquals(429, many.status(), many::text);
    assertEquals("insufficient_quota", many.json().at("/error/type").asText());
    assertEquals(200, trial.client().post("fine_tuning/jobs/" + first + "/cancel").status());
    trial.done(session, "save_adapter", "{}");
    assertEquals(200, trial.client().delete("models/" + model).status());

    String state = "";
    for (int i = 0; i < 40 && !state.equals("failed"); i++) {
      refused = trial.post(session + "/save_state?wait=true", "{'name': 's" + i % 30 + "'}");
      state = refused.path("status").asText();
    }
    assertEquals("insufficient_quota", refused.at("/error/code").asText(), refused::toString);
    assertTrue(refused.at("/error/message").asText().contains("of 1000000"), refused::toString);
    trial.close();
    trial.start(
        TrainingTrial.config(shared).dataDir(scratch.resolve("few")).tenantModelBytes(1000));
    Answer full = trial.client().post("fine_tuning/jobs", job);
    assertEquals(429, full.status(), full::text);
    assertTrue(full.text().contains("of 1000 are used"), full::text);
  }

  @Test
  void samplesAreThoseOfTheServedAdapter() throws Exception {
    String session = trial.begin("");
    trial.train(session, 0, 2);
    JsonNode sampled =
        trial.done(
            session,
            "sample",
            "{'prompt': 'say a:', 'max_tokens': 5, 'temperature': 0, 'stop_tokens': [], 'n': 2}");
    JsonNode one = sampled.at("/samples/0");
    assertEquals(5, one.path("tokens").size(), sampled::toString);
    assertEquals(5, one.path("logprobs").size());
    assertEquals("length", one.path("finish_reason").asText());
    assertEquals(one, sampled.at("/samples/1"));
    JsonNode tokens = trial.post(session + "/encode", "{'text': 'say a:'}").path("tokens");
    assertEquals(sampled.path("prompt"), tokens);
    assertEquals(
        one.path("text"),
        trial.post(session + "/decode", "{'tokens': " + one.path("tokens") + "}").path("text"));
    JsonNode drawn =
        trial.done(session, "sample", "{'prompt': " + tokens + ", 'max_tokens': 8, 'n': 2}");
    assertNotEquals(drawn.at("/samples/0/tokens"), drawn.at("/samples/1/tokens"));
    String model = trial.done(session, "save_adapter", "{'suffix': 'mine'}").path("model").asText();
    assertTrue(model.matches("ft:decoder:local:mine:[A-Za-z0-9]{8}"), model);
    Answer served =
        trial
            .client()
            .post(
                "completions",
                "{'model': '"
                    + model
                    + "', 'prompt': 'say a:', 'max_tokens': 5, 'temperature': 0}");
    assertEquals(one.path("text"), TrainingTrial.good(served).at("/choices/0/text"));
    String on = "{'model': '" + model + "', 'precision': 'fp32'}";
    String further = "/" + trial.post("", on).path("id").asText();
    trial.train(further, 0, 1);
    assertEquals(1, trial.done(further, "save_state", "{'name': 'a'}").path("steps").asInt());
    assertEquals(409, trial.client().delete("models/" + model).status());
    assertEquals(200, trial.client().delete(TrainingTrial.PATH + further).status());
    assertEquals(200, trial.client().delete("models/" + model).status());
  }

  @Test
  void ofAnotherTenantThereIsNothing() throws Exception {
    Client one = new Client(trial.server().address(), key("one"));
    Client two = new Client(trial.server().address(), key("two"));
    trial.at(one);
    String session = trial.begin("");
    JsonNode call = trial.post(session + "/forward_backward", TrainingTrial.gradient(0));
    trial.done(session, "optim_step", TrainingTrial.STEP);
    trial.done(session, "save_state", "{'name': 'a'}");
    String path = TrainingTrial.PATH + session;
    List<Answer> answers =
        List.of(
            two.get(path),
            two.get(path + "/states"),
            two.get(path + "/requests/" + call.path("id").asText()),
            two.delete(path + "/states/a"),
            two.delete(path),
            two.post(path + "/resume"),
            two.post(path + "/encode", "{'text': 'a'}"),
            two.post(path + "/sample", "{'prompt': 'a'}"));
    answers.forEach(answer -> assertEquals(404, answer.status(), answer::text));
    trial.at(two);
    assertEquals(0, trial.get("").path("data").size());
    assertEquals(404, two.get(TrainingTrial.PATH + "?after=" + session.substring(1)).status());
    String own = trial.begin("");
    Answer foreign =
        two.post(
            TrainingTrial.PATH + own + "/load_state",
            "{'name': 'a', 'session': '" + session.substring(1) + "'}");
    assertEquals(404, foreign.status(), foreign::text);
    assertEquals("session", foreign.json().at("/error/param").asText());
  }

  private String key(String tenant) {
    try (DataFolder beside = DataFolder.openBeside(trial.data())) {
      return new KeyStore(beside.journal())
          .create("test", tenant, Set.of(Scope.TRAINING), null)
          .text();
    }
  }

  @Test
  void aSessionIsDeletedWhileItWorks() throws Exception {
    String session = trial.begin("");
    trial.done(session, "save_state", "{'name': 'a'}");
    List<JsonNode> calls = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      calls.add(trial.post(session + "/forward_backward", TrainingTrial.gradient(i)));
    }
    assertTrue(
        TrainingTrial.good(trial.client().delete(TrainingTrial.PATH + session))
            .path("deleted")
            .asBoolean());
    assertEquals(404, trial.client().get(TrainingTrial.PATH + session).status());
    Path states = trial.data().resolve("training" + session);
    for (int i = 0; i < 500 && states.toFile().exists(); i++) {
      Thread.sleep(20);
    }
    assertFalse(states.toFile().exists());
    for (int i = 0; i < 500 && !memoryIsFree(); i++) {
      Thread.sleep(20);
    }
    assertTrue(memoryIsFree());
  }

  private boolean memoryIsFree() throws Exception {
    return trial.client().get("/metrics").text().contains("attune_training_memory_bytes 0\n");
  }

  @Test
  void whatDoesNotFitIsRefused() throws Exception {
    long need = trial.get(trial.begin("")).path("memory_bytes").asLong();
    trial.close();
    trial.start(
        TrainingTrial.config(shared)
            .dataDir(scratch.resolve("other"))
            .trainingMemoryBytes(need + need / 2));
    trial.begin("");
    String body = "{'model': 'decoder', 'lora': {'rank': 4}, 'precision': 'fp32'}";
    Answer busy = trial.client().post(TrainingTrial.PATH, body);
    assertEquals(429, busy.status(), busy::text);
    assertEquals("5", busy.header("Retry-After"));
    assertEquals(1, trial.get("").path("data").size());
    trial.close();
    trial.start(
        TrainingTrial.config(shared)
            .dataDir(scratch.resolve("small"))
            .trainingMemoryBytes(need / 2));
    Answer never = trial.client().post(TrainingTrial.PATH, body);
    assertEquals(400, never.status(), never::text);
    assertTrue(never.message().contains("MiB"), never::text);
    trial.close();
    trial.start(TrainingTrial.config(shared).dataDir(scratch.resolve("third")).tenantSessions(1));
    trial.begin("");
    Answer many = trial.client().post(TrainingTrial.PATH, body);
    assertEquals("insufficient_quota", many.json().at("/error/code").asText(), many::text);
  }
}
