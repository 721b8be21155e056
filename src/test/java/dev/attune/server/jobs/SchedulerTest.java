package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import dev.attune.server.ServerConfig;
import dev.attune.server.database.Journal;
import dev.attune.server.jobs.JobsTrial.Answer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs that stop, wait, make way and go on. */
class SchedulerTest {
  private static final int LONG = 400;

  /** They take some tenths of a second to be tokenised. */
  private static final int ROWS_FOR_LONG = 20_000;

  /** Longer than any test waits. */
  private static final int ENDLESS = 1_000_000;

  @TempDir Path scratch;
  private JobsTrial server;
  private String chats;

  @BeforeEach
  void makeBases() {
    server = new JobsTrial(scratch);
    chats = JobsTrial.chats(40);
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  private String file() {
    return server.upload("chats.jsonl", chats);
  }

  private JsonNode post(String id, String verb) {
    return server.post("/fine_tuning/jobs/" + id + "/" + verb);
  }

  private void assertSameBytes(String id) throws IOException {
    Path same = server.trained(chats, LONG, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(id)));
  }

  /** The same job, which no other of these tests can be trained with. */
  private static ObjectNode apart(ObjectNode job) {
    ((ObjectNode) job.get("attune")).put("gradient_checkpointing", true);
    return job;
  }

  @Test
  void jobsOnOneBaseRunTogetherToTheSameBytes() throws IOException {
    server.start();
    String file = file();
    String blocking = server.create(apart(JobsTrial.job(file, ENDLESS)));
    server.awaitStep(blocking, 1);
    String first = server.create(JobsTrial.job(file, LONG));
    ObjectNode other = JobsTrial.job(file, ENDLESS);
    ((ObjectNode) other.get("attune")).put("lora_r", 8);
    String second = server.create(other);
    String third = server.create(JobsTrial.job(file, LONG));
    server.awaitStatus(third, "queued");
    post(blocking, "cancel");
    server.awaitStep(first, 1);
    assertEquals("running", server.job(third).path("status").asText());
    server.awaitStep(second, 1);
    post(second, "cancel");
    server.awaitStatus(first, "succeeded");
    server.awaitStatus(third, "succeeded");
    assertSameBytes(first);
    assertArrayEquals(
        Files.readAllBytes(server.made(first)), Files.readAllBytes(server.made(third)));
    assertEquals(3, server.get("/fine_tuning/jobs/" + first + "/checkpoints").path("data").size());
  }

  @Test
  void aPausedJobGoesOnToTheSameBytes() throws IOException {
    server.start();
    String id = server.create(JobsTrial.job(file(), LONG));
    server.awaitStep(id, 30);
    assertEquals("paused", post(id, "pause").path("status").asText());
    assertEquals("paused", post(id, "pause").path("status").asText()); // asked again
    assertEquals("paused", server.job(id).path("status").asText());
    List<String> events = server.events(id);
    assertFalse(events.toString().contains("Step " + LONG), events::toString);
    post(id, "resume");
    server.awaitStatus(id, "succeeded");
    assertSameBytes(id);
    events = server.events(id);
    assertEquals(
        1, events.stream().filter(e -> e.startsWith("Step 40/")).count(), events::toString);
  }

  @Test
  void aCancelledJobStopsWithinAStepAndLeavesNothing() throws IOException {
    server.start();
    String id = server.create(JobsTrial.job(file(), ENDLESS));
    server.awaitStep(id, 5);
    assertEquals("cancelled", post(id, "cancel").path("status").asText());
    String next = server.create(JobsTrial.job(file(), 2));
    server.awaitStatus(next, "succeeded");
    assertFalse(Files.exists(server.made(id).getParent()), "its run is still there");
    Answer answer = server.send("POST", "/fine_tuning/jobs/" + id + "/resume", null, null);
    assertEquals(400, answer.status(), answer.body()::toString);
    assertTrue(answer.body().toString().contains("is cancelled; it cannot be resumed"));
    assertEquals("cancelled", post(id, "cancel").path("status").asText());
  }

  @Test
  void aJobOfAHigherPriorityGoesFirst() throws IOException {
    server.start();
    String file = file();
    String low = server.create(apart(JobsTrial.job(file, ENDLESS))); // who soon ends makes no way
    server.awaitStep(low, 5);
    ObjectNode other = JobsTrial.job(file, 2); // that neither of the two can be trained with
    ((ObjectNode) other.get("attune")).put("dropout", 0.2);
    String waiting = server.create(other);
    ObjectNode urgent = JobsTrial.job(file, 2);
    ((ObjectNode) urgent.get("attune")).put("priority", 5);
    String high = server.create(urgent);
    long finished = server.awaitStatus(high, "succeeded").path("finished_at").asLong();
    assertTrue(finished > 0);
    List<String> events = server.events(low);
    assertTrue(
        events.stream().anyMatch(e -> e.startsWith("Makes way for a job of a higher priority")),
        events::toString);
    assertEquals("queued", server.job(waiting).path("status").asText()); // the other goes on first
    post(low, "cancel");
    server.awaitStatus(waiting, "succeeded");
  }

  @Test
  void aServerThatEndsLeavesJobsToTheNext() throws IOException {
    server.start();
    String running = server.create(JobsTrial.job(file(), LONG));
    String queued = server.create(JobsTrial.job(file(), 2));
    server.awaitStep(running, 5);
    server.close();
    server.start();
    List<String> events = server.events(running);
    assertTrue(events.stream().anyMatch(e -> e.startsWith("The server ends")), events::toString);
    server.awaitStatus(running, "succeeded");
    server.awaitStatus(queued, "succeeded");
    assertSameBytes(running);
  }

  /** Jobs on one base have their turn one after another, also while one is prepared for long. */
  @Test
  void aServerThatEndsStopsJobsWhereverTheyAre() throws IOException {
    server.start();
    String first = server.create(JobsTrial.job(file(), ENDLESS));
    server.awaitStep(first, 5);
    String large = server.upload("large.jsonl", JobsTrial.chats(ROWS_FOR_LONG));
    String second = server.create(JobsTrial.job(large, ENDLESS));
    server.awaitStatus(second, "running");
    long began = System.nanoTime();
    server.close();
    long millis = (System.nanoTime() - began) / 1_000_000;
    server.start(JobsTrial.config(scratch).trainingMemoryBytes(1)); // nothing begins
    for (String id : List.of(first, second)) {
      List<String> events = server.events(id);
      assertTrue(
          events.stream().anyMatch(e -> e.startsWith("The server ends")),
          () -> millis + " ms: " + events);
    }
  }

  /** A kill between the last file of a model and the change that makes the job succeeded. */
  @Test
  void aModelThatWasFinishedBeforeAKillIsNotTrainedAgain() throws IOException {
    server.start();
    String id = server.create(JobsTrial.job(file(), LONG));
    String model = server.awaitStatus(id, "succeeded").path("fine_tuned_model").asText();
    server.close();
    List<String> before;
    try (Journal journal = Journal.open(server.data().resolve("journal.db"), List.of())) {
      journal.change(
          session -> {
            session.update("UPDATE jobs SET status = 'running', model = NULL, result = NULL");
            session.update("DELETE FROM models WHERE id = ?", model);
            session.update("DELETE FROM files WHERE purpose = 'fine-tune-results'");
            return session.update(
                "DELETE FROM job_events WHERE message LIKE 'The job has successfully%'");
          });
    }
    server.start();
    before = server.events(id);
    JsonNode job = server.awaitStatus(id, "succeeded");
    assertEquals(model, job.path("fine_tuned_model").asText());
    assertEquals(1, job.path("result_files").size(), job::toString);
    List<String> after = server.events(id);
    assertEquals(
        before.stream().filter(e -> e.startsWith("Step")).count(),
        after.stream().filter(e -> e.startsWith("Step")).count());
    assertSameBytes(id);
  }

  /** What the journal does not take for a while, as where the disk is full, costs no job. */
  @Test
  void aJobThatTheJournalRefusesForAWhileRunsLater() {
    server.start();
    server.close();
    String refusal =
        "CREATE TRIGGER %s BEFORE UPDATE ON jobs WHEN NEW.status = '%s' AND %s"
            + " BEGIN SELECT RAISE(ABORT, 'refused'); END";
    change(
        String.format(
            refusal,
            "refusing_queued",
            "queued",
            "NOT EXISTS (SELECT 1 FROM job_events WHERE job = OLD.id AND level = 'error')"));
    change(
        String.format(
            refusal,
            "refusing_running",
            "running",
            "CAST(strftime('%s', 'now') AS INTEGER) < OLD.created + 4"));
    server.start();
    String id = server.create(JobsTrial.job(file(), 2));
    server.awaitStatus(id, "paused");
    String told = server.events(id).toString();
    assertTrue(told.contains("could not look at the files: the server's journal"), told);
    post(id, "resume");
    server.awaitStatus(id, "succeeded");
  }

  private void change(String sql) {
    try (Journal journal = Journal.open(server.data().resolve("journal.db"), List.of())) {
      journal.change(session -> session.update(sql));
    }
  }

  @Test
  void aFileThatExpiresWhileAJobNeedsItIsRead() throws IOException {
    server.start();
    String file = file();
    String id = server.create(JobsTrial.job(file, LONG));
    server.awaitStep(id, 5);
    server.close();
    change("UPDATE files SET expires = 1");
    server.start();
    server.awaitStatus(id, "succeeded");
    assertEquals(404, server.send("GET", "/files/" + file, null, null).status());
  }

  @Test
  void anAdapterWhoseBaseIsNotServedIsRefused() throws IOException {
    server.start();
    String id = server.create(JobsTrial.job(file(), 2));
    String tuned = server.awaitStatus(id, "succeeded").path("fine_tuned_model").asText();
    server.close();
    server.start(
        new ServerConfig()
            .port(0)
            .dataDir(server.data())
            .baseModel("encoder", server.base("encoder"))
            .baseModel("adapted", server.made(id).getParent()));
    for (String[] refused :
        new String[][] {{tuned, "which this server has no more"}, {"adapted", "is an adapter"}}) {
      Answer answer = server.tryCreate(JobsTrial.job(file(), 2).put("model", refused[0]));
      assertEquals(400, answer.status(), answer.body()::toString);
      assertEquals("model", answer.body().at("/error/param").asText());
      assertTrue(answer.body().toString().contains(refused[1]), answer.body()::toString);
    }
  }

  @Test
  void aModelThatAJobTunesIsNotDeleted() {
    server.start();
    JsonNode job = server.awaitStatus(server.create(JobsTrial.job(file(), 2)), "succeeded");
    String model = job.path("fine_tuned_model").asText();
    String on = server.create(JobsTrial.job(file(), ENDLESS).put("model", model));
    Answer answer = server.send("DELETE", "/models/" + model, null, null);
    assertEquals(409, answer.status(), answer.body()::toString);
    post(on, "cancel");
    assertEquals(200, server.send("DELETE", "/models/" + model, null, null).status());
  }

  @Test
  void aJobThatNeedsTooMuchIsRefusedWithTheNumbers() {
    server.start(JobsTrial.config(scratch).trainingMemoryBytes(100_000));
    JsonNode job = server.awaitStatus(server.create(JobsTrial.job(file(), 2)), "failed");
    assertEquals("insufficient_memory", job.at("/error/code").asText());
    String message = job.at("/error/message").asText();
    assertTrue(
        message.matches(
            "(?s)The job needs .* of memory \\(weights .*; the server has .* for jobs.*"),
        message);
  }

  @Test
  void aJobEndsAtItsDeadline() {
    server.start();
    ObjectNode body = JobsTrial.job(file(), ENDLESS);
    ((ObjectNode) body.get("attune")).put("deadline", Instant.now().getEpochSecond() + 4);
    String id = server.create(body);
    JsonNode job = server.awaitStatus(id, "failed");
    assertEquals("deadline_exceeded", job.at("/error/code").asText());
    server.awaitStatus(server.create(JobsTrial.job(file(), 2)), "succeeded");
  }

  @Test
  void aTenantHasSoManyJobsAtATime() {
    server.start(JobsTrial.config(scratch).tenantJobs(2));
    String file = file();
    String first = server.create(JobsTrial.job(file, ENDLESS));
    server.create(JobsTrial.job(file, 2));
    Answer third = server.tryCreate(JobsTrial.job(file, 2));
    assertEquals(429, third.status(), third.body()::toString);
    post(first, "cancel");
    server.create(JobsTrial.job(file, 2));
  }

  @Test
  void aJobWhoseBaseHasGoneFailsInPlainWords() throws IOException {
    server.start();
    String file = file();
    String blocking = server.create(apart(JobsTrial.job(file, ENDLESS)));
    server.awaitStep(blocking, 1);
    String id = server.create(JobsTrial.job(file, 2));
    server.awaitStatus(id, "queued");
    Files.delete(server.base("decoder").resolve("model.safetensors"));
    post(blocking, "cancel");
    JsonNode job = server.awaitStatus(id, "failed");
    String message = job.at("/error/message").asText();
    assertTrue(message.contains("model.safetensors"), message);
    assertFalse(message.contains("Exception") || message.contains("\tat "), message);
  }
}
