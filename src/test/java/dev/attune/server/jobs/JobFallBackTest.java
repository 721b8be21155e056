package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.RunOption;
import dev.attune.server.access.Limits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A job that cannot be trained with others goes on by itself, and they go on without it. */
@Timeout(120)
class JobFallBackTest {
  private static final int STEPS = 30;
  private static final String STARTED = "Fine-tuning job started";

  @TempDir Path scratch;
  private final String chats = JobsTrial.chats(40);
  private final AtomicInteger failures = new AtomicInteger(); // that are still to come
  private OwnJobs jobs;

  /** Of those that are trained together, one asks for room here after each checkpoint. */
  private Limits limits() {
    if (Thread.currentThread().getName().equals("attune-job")
        && failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
      throw new DeviceMemoryException("there is no room");
    }
    return Limits.NONE;
  }

  @BeforeEach
  void begin() throws IOException {
    jobs = new OwnJobs(scratch, new Scheduler.Means(1L << 30, () -> 0, 1, 2, 1), this::limits);
  }

  @AfterEach
  void end() {
    jobs.close();
  }

  /** Two jobs that have ended, of which both were ready when the first began. */
  private List<String> done() throws Exception {
    String file = jobs.write(chats);
    List<String> ids =
        Stream.of(1, 2).map(number -> jobs.create(JobsTrial.job(file, STEPS))).toList();
    jobs.jobs().start();
    for (String id : ids) {
      while (jobs.status(id) != JobStatus.SUCCEEDED) {
        assertNotEquals(JobStatus.FAILED, jobs.status(id), () -> told(id).toString());
        Thread.sleep(20);
      }
    }
    return ids;
  }

  private List<String> told(String id) {
    return jobs.told(id);
  }

  private long count(String id, String begin) {
    return told(id).stream().filter(message -> message.startsWith(begin)).count();
  }

  private void assertSameBytes(List<String> ids) throws Exception {
    JobsTrial trial = new JobsTrial(scratch, null);
    byte[] same =
        Files.readAllBytes(trial.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1")));
    for (String id : ids) {
      assertArrayEquals(same, Files.readAllBytes(trial.made(id)), () -> told(id).toString());
      assertEquals(1, count(id, "Step " + STEPS + "/"), () -> told(id).toString());
    }
  }

  @Test
  void forWantOfMemoryItGoesOnFromItsLastCheckpoint() throws Exception {
    failures.set(1);
    List<String> ids = done();
    assertEquals(0, failures.get());
    List<String> alone =
        ids.stream().filter(id -> count(id, "There was too little memory") == 1).toList();
    assertEquals(1, alone.size(), () -> told(ids.get(0)) + "\n" + told(ids.get(1)));
    assertEquals(2, count(alone.get(0), STARTED), () -> told(alone.get(0)).toString());
    assertEquals(3, ids.stream().mapToLong(id -> count(id, STARTED)).sum());
    assertSameBytes(ids);
  }

  /** Its layers look at the lengths of all texts of a batch: that is known once they are open. */
  @Test
  void whatItsLayersCannotDoIsNoFailure() throws Exception {
    Path config = scratch.resolve("decoder/config.json");
    String plain = Files.readString(config);
    Files.writeString(
        config,
        plain.replace(
            "\"rope_theta\"",
            "\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2.0}, \"rope_theta\""));
    List<String> ids = done();
    for (String id : ids) {
      assertEquals(2, count(id, STARTED), () -> told(id).toString());
      assertTrue(told(id).stream().noneMatch(m -> m.contains("several runs")), () -> "" + told(id));
    }
    assertSameBytes(ids);
  }
}
