package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client.Answer;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls of sessions: in their order, once each, or refused by name. */
@Timeout(180)
class SessionCallsTest extends SessionTestCase {
  /** Over any number of connections, in any order. */
  @Test
  void callsAreDoneInTheOrderOfTheirNumbers() throws Exception {
    String session = trial.begin("");
    List<Thread> threads = new ArrayList<>();
    List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    for (int i = 10; i >= 1; i--) {
      int at = i;
      Thread thread =
          new Thread(
              () -> {
                try {
                  boolean isGradient = at % 2 == 1;
                  trial.post(
                      session + (isGradient ? "/forward_backward" : "/optim_step"),
                      isGradient
                          ? TrainingTrial.gradient(at / 2, at)
                          : TrainingTrial.STEP.replace("}", ", 'sequence': " + at + "}"));
                } catch (Exception | AssertionError e) {
                  failures.add(e);
                }
              });
      threads.add(thread);
      thread.start();
      Thread.sleep(i > 8 ? 50 : 0); // the last come first
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(List.of(), failures);
    assertEquals(10, trial.get(session).path("last_sequence").asInt());
    assertArrayEquals(TrainingTrial.same(shared, 5), trial.saved(session));
  }

  @Test
  void aRetryIsNotDoneTwice() throws Exception {
    String session = trial.begin("");
    JsonNode first = keyed(session, "once", TrainingTrial.gradient(0), 202);
    JsonNode again = keyed(session, "once", TrainingTrial.gradient(0), 0);
    assertEquals(first.path("id"), again.path("id"));
    JsonNode other = keyed(session, "once", TrainingTrial.gradient(1), 409);
    assertTrue(other.at("/error/message").asText().contains("something else"), other::toString);
    String step = TrainingTrial.STEP.replace("}", ", 'sequence': 1}");
    JsonNode update = trial.post(session + "/optim_step", step);
    assertEquals(update.path("id"), trial.post(session + "/optim_step?wait=true", step).path("id"));
    String late = "{'prompt': 'a', 'sequence': 1}";
    assertEquals(409, trial.client().post(path(session, "sample"), late).status());
    assertEquals(1, trial.get(session).path("steps").asInt());
    assertEquals(
        "failed",
        trial.post(session + "/optim_step?wait=true", TrainingTrial.STEP).path("status").asText());
  }

  private static String path(String session, String kind) {
    return TrainingTrial.PATH + session + "/" + kind;
  }

  private JsonNode keyed(String session, String key, String body, int status) throws Exception {
    Answer answer =
        trial
            .client()
            .send(
                trial
                    .client()
                    .request(path(session, "forward_backward"))
                    .header("Content-Type", "application/json")
                    .header("Idempotency-Key", key)
                    .POST(BodyPublishers.ofString(body)));
    assertTrue(status == 0 || status == answer.status(), answer::text);
    return answer.json();
  }

  @Test
  void aFullQueueSaysSo() throws Exception {
    String session = trial.begin("");
    List<JsonNode> calls = new ArrayList<>();
    for (int i = 3; i <= 66; i++) {
      calls.add(
          trial.post(
              session + "/sample", "{'prompt': 'a', 'max_tokens': 1, 'sequence': " + i + "}"));
    }
    assertEquals("waiting", calls.get(0).path("status").asText());
    Answer full = trial.client().post(path(session, "sample"), "{'prompt': 'a'}");
    assertEquals(429, full.status(), full::text);
    assertEquals("1", full.header("Retry-After"));
    assertTrue(full.message().contains("64 calls"), full::text);
    // Those that they wait for have their places nevertheless.
    trial.post(session + "/sample", "{'prompt': 'a', 'max_tokens': 1, 'sequence': 1}");
    trial.post(session + "/sample", "{'prompt': 'a', 'max_tokens': 1, 'sequence': 2}");
    for (JsonNode call : calls) {
      TrainingTrial.succeeded(trial.ended(session, call));
    }
  }

  /** What cannot be meant so is named by its place, and is no call. */
  @Test
  void wrongCallsAreRefusedByName() throws Exception {
    String session = trial.begin(", 'max_length': 32");
    String cross = "'loss': {'name': 'cross_entropy'}";
    String good = "{'tokens': [1, 2], 'targets': [-1, 3], 'weights': [0, 1]}";
    List<String[]> wrong =
        List.of(
            new String[] {"forward_backward", "{" + cross + "}", "examples"},
            new String[] {"forward_backward", "{'examples': [" + good + "]}", "loss"},
            refused(cross, good.replace("2]", "257]"), "examples[1].tokens[1]"),
            refused(cross, good.replace("-1", "-2"), "examples[1].targets[0]"),
            refused(cross, good.replace("[0, 1]", "[0, 1e39]"), "examples[1].weights[1]"),
            refused(cross, good.replace("[0, 1]", "[0, '1']"), "examples[1].weights[1]"),
            refused(cross, good.replace("[0, 1]", "[0]"), "examples[1]"),
            refused(cross, "{'tokens': [], 'targets': [], 'weights': []}", "examples[1]"),
            refused(cross, good.replace(", 'weights': [0, 1]", ""), "examples[1].weights"),
            refused(cross, good.replace("}", ", 'advantages': [1, 1]}"), "examples[1].advantages"),
            refused(cross, good.replace("}", ", 'mask': [1, 1]}"), "examples[1].mask"),
            refused(cross, good.replace("[1, 2]", zeros(33)), "examples[1].tokens"),
            refused("'loss': {'name': 'dpo'}", good, "loss.name"),
            refused("'loss': {'name': 'cross_entropy', 'clip': 0.2}", good, "loss.clip"),
            refused("'loss': {'name': 'ppo'}", good, "loss.clip"),
            refused("'loss': {'name': 'ppo', 'clip': 1}", good, "loss.clip"),
            new String[] {"optim_step", "{}", "learning_rate"},
            new String[] {"optim_step", "{'learning_rate': 0}", "learning_rate"},
            new String[] {"optim_step", "{'learning_rate': 0.1, 'betas': [0.9]}", "betas"},
            new String[] {"optim_step", "{'learning_rate': 0.1, 'momentum': 1}", "momentum"},
            new String[] {"optim_step", "{'learning_rate': 0.1, 'sequence': 0}", "sequence"},
            new String[] {"sample", "{}", "prompt"},
            new String[] {"sample", "{'prompt': []}", "prompt"},
            new String[] {"sample", "{'prompt': [257]}", "prompt[0]"},
            new String[] {"sample", "{'prompt': 'a', 'n': 0}", "n"},
            new String[] {"sample", "{'prompt': [1], 'max_tokens': 32}", "prompt"},
            new String[] {"sample", "{'prompt': 'a', 'stop': 'x'}", "stop"},
            new String[] {"sample", "{'prompt': '" + "a".repeat(80_000) + "'}", "prompt"},
            new String[] {"encode", "{'text': '" + "a".repeat(80_000) + "'}", "text"},
            new String[] {"encode", "{'text': '" + "a".repeat(70_000) + "'}", "text"},
            new String[] {"save_state", "{}", "name"},
            new String[] {"save_state", "{'name': '../a'}", "name"},
            new String[] {"save_adapter", "{'suffix': 'a/b'}", "suffix"});
    for (String[] one : wrong) {
      Answer answer = trial.client().post(path(session, one[0]), one[1]);
      assertEquals(400, answer.status(), one[1] + answer.text());
      assertEquals(one[2], answer.json().at("/error/param").asText(), one[1] + answer.text());
    }
    Answer notANumber = trial.client().post(path(session, "optim_step"), "{'learning_rate': NaN}");
    assertEquals(400, notANumber.status());
    assertEquals(0, trial.get(session).path("waiting_calls").asInt());
    List<String> sessions =
        List.of(
            "{'model': 'decoder'}",
            "{'model': 'decoder', 'lora': {'rank': 0}}",
            "{'model': 'decoder', 'lora': {'rank': 4, 'r': 4}}",
            "{'model': 'decoder', 'lora': {'rank': 4, 'targets': ['no-such']}}",
            "{'model': 'decoder', 'lora': {'rank': 4, 'targets': ['(a*)*b']}}",
            "{'model': 'decoder', 'lora': {'rank': 4}, 'max_length': 65}",
            "{'model': 'decoder', 'lora': {'rank': 4}, 'precision': 'int8'}",
            "{'model': 'decoder', 'lora': {'rank': 4}, 'threads': 2}");
    for (String one : sessions) {
      Answer answer = trial.client().post(TrainingTrial.PATH, one);
      assertEquals(400, answer.status(), one + answer.text());
      assertFalse(answer.text().contains(shared.toString()), answer::text);
      assertFalse(answer.text().contains("‹"), answer::text);
    }
    Answer none = trial.client().post(TrainingTrial.PATH, "{'model': 'none', 'lora': {'rank': 4}}");
    assertEquals(404, none.status());
  }

  private static String[] refused(String loss, String example, String param) {
    String good =
        loss.contains("ppo")
            ? "{'tokens': [1], 'targets': [1], 'logprobs': [-1], 'advantages': [1]}"
            : "{'tokens': [1], 'targets': [1], 'weights': [1]}";
    return new String[] {
      "forward_backward", "{" + loss + ", 'examples': [" + good + ", " + example + "]}", param
    };
  }

  private static String zeros(int count) {
    return Collections.nCopies(count, 0).toString();
  }

  @Test
  void callsThatFailSayWhyAndOthersGoOn() throws Exception {
    String session = trial.begin("");
    JsonNode none = trial.post(session + "/optim_step?wait=true", TrainingTrial.STEP);
    assertEquals("failed", none.path("status").asText());
    assertEquals("conflict", none.at("/error/code").asText());
    String wild =
        "{'loss': {'name': 'cross_entropy'}, 'examples': [{'tokens': [1, 1], 'targets': [2, 2],"
            + " 'weights': [3e38, 3e38]}]}";
    trial.post(session + "/forward_backward", wild);
    JsonNode diverged = trial.post(session + "/optim_step?wait=true", TrainingTrial.STEP);
    assertEquals("training_diverged", diverged.at("/error/code").asText(), diverged::toString);
    JsonNode missing = trial.post(session + "/load_state?wait=true", "{'name': 'none'}");
    assertEquals("not_found", missing.at("/error/code").asText(), missing::toString);
    trial.post(session + "/forward_backward", TrainingTrial.gradient(0));
    JsonNode waits = trial.post(session + "/save_state?wait=true", "{'name': 'a'}");
    assertTrue(waits.at("/error/message").asText().contains("optim_step"), waits::toString);
    trial.done(session, "optim_step", TrainingTrial.STEP);
    Answer metrics = trial.client().get("/metrics");
    String text = metrics.text();
    assertTrue(text.contains("attune_training_sessions{status=\"open\"} 1"), text);
    assertTrue(
        text.contains("attune_training_calls_total{kind=\"optim_step\",status=\"failed\"} 2"),
        text);
  }
}
