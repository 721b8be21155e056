package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server without room on its disk says so, has changed nothing then, answers what needs no room,
 * and goes on when there is some.
 */
@Timeout(600)
class FullDiskTest {
  private static final int STEPS = 800;
  private static final String PROMPT = "{'model': 'decoder', 'prompt': 'a', 'max_tokens': 4}";
  private static final String SESSION =
      "{'model': 'decoder', 'lora': {'rank': 4}, 'precision': 'fp32'}";
  private static final String UPLOAD =
      "{'filename': 'a.jsonl', 'purpose': 'fine-tune', 'bytes': 100, 'mime_type': 'text/plain'}";

  @TempDir Path scratch;
  private Client client;

  private static void assertNoRoom(Answer answer, String what) {
    assertEquals(507, answer.status(), () -> what + ": " + answer.text());
    assertEquals("insufficient_storage", answer.json().at("/error/code").asText(), answer::text);
    assertTrue(answer.message().startsWith("The server's disk is full"), answer::text);
  }

  private JsonNode list(String path) throws Exception {
    Answer answer = client.get(path);
    assertEquals(200, answer.status(), answer::text);
    return answer.json().path("data");
  }

  @Test
  void whatNeedsRoomIsRefusedAndTheRestGoesOn() throws Exception {
    assumeTrue(SmallDisk.isPossible(scratch), "a file system in memory can be mounted");
    String chats = JobsTrial.chats(40);
    String file;
    String other;
    try (JobsTrial before = new JobsTrial(scratch).start()) {
      file = before.upload("chats.jsonl", chats);
      other = before.upload("other.jsonl", chats);
    }
    try (SmallDisk disk = new SmallDisk(scratch)) {
      client = new Client(disk.address(), null);
      JobsTrial trial = new JobsTrial(scratch, disk.address());
      assertNoRoom(client.upload("more.jsonl", chats), "less is left than is kept free");
      String session = sessionOf(client);
      assertEquals(202, client.post(session + "/forward_backward", loss()).status());
      ObjectNode body = JobsTrial.job(file, STEPS);
      String job = trial.create(body);
      trial.awaitStep(job, 21);

      disk.fill();
      List<String> uploads = new ArrayList<>();
      int sessions = 1 + noted(uploads, "training/sessions", SESSION);
      noted(uploads, session + "/forward_backward", loss());
      int jobs = 1 + noted(uploads, "fine_tuning/jobs", body.toString());
      noted(uploads, "fine_tuning/jobs/" + job + "/pause", "{}");
      assertEquals(200, client.post("completions", PROMPT).status());
      assertEquals(200, client.get("/health").status());
      assertEquals(List.of(other, file), list("files").findValuesAsText("id"));
      assertEquals(jobs, list("fine_tuning/jobs").size());

      disk.free();
      assertEquals(sessions, list("training/sessions").size());
      for (String upload : uploads) {
        assertEquals(200, client.post("uploads/" + upload + "/cancel").status(), upload);
      }
      Answer step = client.post(session + "/optim_step?wait=true", "{'learning_rate': 0.01}");
      assertEquals(1, step.json().at("/result/steps").asInt(), step::text);
      JsonNode saved = client.post(session + "/save_state?wait=true", "{'name': 'one'}").json();
      assertEquals("insufficient_storage", saved.at("/error/code").asText(), saved::toString);
      trial.await(job, now -> isDone(trial, now), "end");
      byte[] same =
          Files.readAllBytes(trial.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1")));
      String weights = "models/" + job + "/model/adapter_model.safetensors";
      assertArrayEquals(same, Files.readAllBytes(disk.copy(weights)));
      assertEquals("", disk.problems());
    }
  }

  /** Has a job go on that was paused as there was no room. */
  private static boolean isDone(JobsTrial trial, JsonNode job) {
    String status = job.path("status").asText();
    if (status.equals("paused")) {
      trial.send("POST", "/fine_tuning/jobs/" + job.path("id").asText() + "/resume", null, null);
    }
    return status.equals("succeeded");
  }

  /**
   * Sends what is to be noted, when the journal has refused an upload. It may have room for less.
   *
   * @param uploads that it took before
   * @return 1 where it was taken after all, 0 where it was refused
   */
  private int noted(List<String> uploads, String path, String json) throws Exception {
    Answer upload = client.post("uploads", UPLOAD);
    while (upload.status() == 200) {
      uploads.add(upload.json().path("id").asText());
      assertTrue(uploads.size() < 5000, "the disk is not full");
      upload = client.post("uploads", UPLOAD);
    }
    assertNoRoom(upload, "uploads");
    Answer answer = client.post(path, json);
    if (answer.status() < 300) {
      return 1;
    }
    assertNoRoom(answer, path);
    return 0;
  }

  private static String sessionOf(Client client) throws Exception {
    Answer made = client.post("training/sessions", SESSION);
    assertEquals(200, made.status(), made::text);
    return "training/sessions/" + made.json().path("id").asText();
  }

  private static String loss() {
    return "{'loss': {'name': 'cross_entropy'}, 'examples':"
        + " [{'tokens': [1, 2, 3], 'targets': [-1, 3, 4], 'weights': [0, 1, 1]}]}";
  }
}
