package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.jobs.JobsTrial.Answer;
import dev.attune.server.models.ModelRoom;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a job makes stays within its tenant's quota, or is not there at all. */
@Timeout(120)
class JobQuotaTest {
  private static final int STEPS = 60;

  @TempDir Path scratch;
  private JobsTrial server;

  @BeforeEach
  void makeBases() {
    server = new JobsTrial(scratch);
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  private void start(long modelBytes) {
    server.close();
    server.start(JobsTrial.config(scratch).tenantModelBytes(modelBytes));
  }

  private ObjectNode job(int saveSteps) {
    ObjectNode job = JobsTrial.job(server.upload("chats.jsonl", JobsTrial.chats(40)), STEPS);
    ((ObjectNode) job.get("attune")).put("save_steps", saveSteps);
    return job;
  }

  private List<String> models() {
    return server.get("/models?checkpoints=true").path("data").findValuesAsText("id").stream()
        .filter(id -> id.startsWith("ft:"))
        .toList();
  }

  private List<Path> folders(String id) throws IOException {
    Path ofJob = server.data().resolve("models").resolve(id);
    if (!Files.exists(ofJob)) {
      return List.of();
    }
    try (Stream<Path> all = Files.list(ofJob)) {
      return all.sorted().toList();
    }
  }

  private void assertOverQuota(String id) {
    JsonNode job = server.awaitStatus(id, "paused");
    assertTrue(job.path("error").isNull(), job::toString);
    List<String> events = server.events(id);
    String message = events.get(events.size() - 1);
    String wanted =
        "Paused, for the server could not go on: There is no room for \\d+ bytes more: \\d+ of .*";
    assertTrue(message.matches(wanted), message);
    assertTrue(job.path("fine_tuned_model").isNull(), job::toString);
    assertEquals(0, job.path("result_files").size(), job::toString);
  }

  /** The run's folder goes just after the job has failed. */
  private void awaitFolders(String id, List<String> names) throws Exception {
    List<String> found = List.of();
    for (int i = 0; i < 200; i++) {
      found = folders(id).stream().map(path -> path.getFileName().toString()).toList();
      if (found.equals(names)) {
        return;
      }
      JobsTrial.pause(20);
    }
    assertEquals(names, found);
  }

  @Test
  void aJobDoesWithoutCheckpointsAndWaitsForRoomForItsModel() throws Exception {
    server.start();
    String whole = server.create(job(20));
    server.awaitStatus(whole, "succeeded");
    long checkpoint = ModelRoom.bytes(folders(whole).subList(1, 2));
    long used = ModelRoom.bytes(folders(whole));
    assertTrue(folders(whole).get(1).endsWith("step-20"), folders(whole)::toString);
    List<String> before = models();

    start(used + 2 * checkpoint - 1);
    String second = server.create(job(20));
    assertOverQuota(second);
    String skipped = "The checkpoint of step 40 is not kept as a model: There is no room for ";
    List<String> events = server.events(second);
    assertTrue(events.stream().anyMatch(event -> event.startsWith(skipped)), events::toString);
    List<String> after = models();
    assertEquals(before.size() + 1, after.size(), after::toString);
    awaitFolders(second, List.of("model", "step-20"));
    String kept = after.stream().filter(id -> !before.contains(id)).findFirst().orElseThrow();
    assertTrue(kept.endsWith(":ckpt-step-20"), kept);
    assertEquals(
        1,
        server.get("/fine_tuning/jobs/" + second + "/checkpoints").path("data").size(),
        "none is told of that is not there");

    Answer deleted = server.send("DELETE", "/models/" + kept, null, null);
    assertEquals(200, deleted.status(), deleted.body()::toString);
    server.post("/fine_tuning/jobs/" + second + "/resume");
    JsonNode done = server.awaitStatus(second, "succeeded");
    assertTrue(models().contains(done.path("fine_tuned_model").asText()), done::toString);

    start(ModelRoom.bytes(Stream.of(whole, second).flatMap(this::all).toList()) + 1);
    String third = server.create(job(1000)); // is more at its end alone
    assertOverQuota(third);
    assertEquals(2, server.get("/files?purpose=fine-tune-results").path("data").size());
    server.post("/fine_tuning/jobs/" + third + "/cancel");
    server.close();
    server.start();
    awaitFolders(third, List.of());
    assertFalse(models().stream().anyMatch(id -> id.endsWith(third.substring(6, 14))));
  }

  private Stream<Path> all(String id) {
    try {
      return folders(id).stream();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
