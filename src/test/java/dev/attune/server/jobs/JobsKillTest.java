package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Cache;
import dev.attune.run.RunOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is killed again and again; no job is lost, none is run twice, and each ends in the
 * bytes of a run that nobody disturbed. {@code -Dattune.server.kills=100} tries it more often.
 */
class JobsKillTest {
  private static final int KILLS = Integer.getInteger("attune.server.kills", 10);
  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final int STEPS = 200;
  private static final int JOBS = 2;

  @TempDir Path scratch;

  private ServedProcess start(JobsTrial client) throws IOException {
    ServedProcess process = new ServedProcess(scratch, "512m", ServedProcess.SHORT_LIVED);
    client.at(process.address());
    return process;
  }

  @Test
  void killsLoseNothingAndRunNothingTwice() throws Exception {
    JobsTrial trial = new JobsTrial(scratch);
    Random random = new Random(SEED);
    List<String> ids = new ArrayList<>();
    String chats = JobsTrial.chats(40);
    ServedProcess child = start(trial);
    try {
      String file = trial.upload("chats.jsonl", chats);
      for (int i = 0; i < JOBS; i++) {
        ObjectNode body = JobsTrial.job(file, STEPS).put("suffix", "number-" + i);
        ((ObjectNode) body.get("attune")).put("save_steps", 20);
        ids.add(trial.create(body));
      }
      for (int i = 0; i < KILLS; i++) {
        awaitWork(trial, ids); // a loaded machine may not come to train by itself
        // Every second kill is an early one: a fast machine has trained all after the other wait.
        Thread.sleep(random.nextInt(i % 2 == 0 ? 100 : 1500));
        child.close();
        child = start(trial);
      }
      for (String id : ids) {
        trial.awaitStatus(id, "succeeded");
      }
      byte[] same =
          Files.readAllBytes(trial.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1")));
      for (String id : ids) {
        assertArrayEquals(same, Files.readAllBytes(trial.made(id)), "seed " + SEED);
        List<String> events = trial.events(id);
        assertEquals(1, count(events, "The job has successfully completed"), events::toString);
        assertEquals(1, count(events, "Step " + STEPS + "/" + STEPS), events::toString);
      }
      long interrupted =
          ids.stream()
              .mapToLong(id -> count(trial.events(id), "The server was started again"))
              .sum();
      assertTrue(interrupted > 0, "no kill hit a job that ran");
      JsonNode jobs = trial.get("/fine_tuning/jobs").path("data");
      assertEquals(JOBS, jobs.size(), jobs::toString);
      assertEquals(List.of(), leftLibraries());
      JsonNode results = trial.get("/files?purpose=fine-tune-results").path("data");
      assertEquals(JOBS, results.size(), results::toString);
      System.out.printf(
          "survived: jobs: {%d kills, %d of them of a job that ran, seed %d}%n",
          KILLS, interrupted, SEED);
    } finally {
      child.close();
    }
  }

  /** Copies of a native library that each process has unpacked for itself, and not removed. */
  private static List<Path> leftLibraries() throws IOException {
    try (Stream<Path> files = Files.list(Cache.user().natives())) {
      return files.filter(file -> file.getFileName().toString().startsWith("sqlite-")).toList();
    }
  }

  /** Waits until a job runs, or none is left. */
  private static void awaitWork(JobsTrial trial, List<String> ids) {
    List<String> statuses;
    do {
      JobsTrial.pause(20);
      statuses = ids.stream().map(id -> trial.job(id).path("status").asText()).toList();
    } while (!statuses.contains("running")
        && statuses.stream().anyMatch(status -> !status.equals("succeeded")));
  }

  private static long count(List<String> events, String begin) {
    return events.stream().filter(event -> event.startsWith(begin)).count();
  }
}
