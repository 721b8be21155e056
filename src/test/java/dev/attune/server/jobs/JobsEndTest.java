package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.access.Limits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A server that ends while a job is on its way to its first step. */
@Timeout(120)
class JobsEndTest {
  private static final int ENDLESS = 1_000_000;

  /** Half of what the end waits for jobs that do not stop. */
  private static final long MOST_MILLIS = 30_000;

  @TempDir Path scratch;

  /** Those at work were told before it was one of them; it stops before its first step. */
  @Test
  void aJobThatBeginsAfterOthersWereToldToStopStopsToo() throws Exception {
    CountDownLatch about = new CountDownLatch(1);
    CountDownLatch told = new CountDownLatch(1);
    Scheduler.Means means =
        new Scheduler.Means(
            1L << 30,
            () -> {
              about.countDown(); // the last that is asked before a job begins
              awaitUninterrupted(told);
              return 0;
            },
            1,
            1,
            1);
    try (OwnJobs jobs = new OwnJobs(scratch, means, () -> Limits.NONE)) {
      String id = jobs.create(JobsTrial.job(jobs.write(JobsTrial.chats(40)), ENDLESS));
      jobs.jobs().start();
      about.await();
      Thread end = new Thread(jobs.jobs()::close);
      end.start();
      while (end.getState() != Thread.State.TIMED_WAITING) {
        Thread.sleep(5); // until it waits for the thread that begins jobs, which is held above
      }
      told.countDown();
      end.join(MOST_MILLIS);
      assertFalse(end.isAlive(), () -> jobs.told(id).toString());
      assertEquals(JobStatus.QUEUED, jobs.status(id));
      List<String> events = jobs.told(id);
      assertTrue(
          events.stream().anyMatch(e -> e.contains("had not come to a step")), events::toString);
    }
  }

  /** A large file would be looked at for longer than an end may take. */
  @Test
  void aJobThatIsLookedAtIsLeftToTheNextStart() throws Exception {
    Scheduler.Means means = new Scheduler.Means(1L << 30, () -> 0, 1, 1, 1);
    try (OwnJobs jobs = new OwnJobs(scratch, means, () -> Limits.NONE)) {
      String id = jobs.create(JobsTrial.job(jobs.write(JobsTrial.chats(40)), ENDLESS));
      JobValidation validation = jobs.validation();
      validation.stop();
      validation.validate(jobs.find(id));
      assertEquals(JobStatus.VALIDATING_FILES, jobs.status(id));
      jobs.validation().validate(jobs.find(id));
      assertEquals(JobStatus.QUEUED, jobs.status(id));
    }
  }

  /** Also where it is read and tokenised beside the training file, which is small. */
  @Test
  void aLargeValidationFileIsLeftWhereItIsLookedAt() throws Exception {
    Scheduler.Means means = new Scheduler.Means(1L << 30, () -> 0, 1, 1, 1);
    try (OwnJobs jobs = new OwnJobs(scratch, means, () -> Limits.NONE)) {
      String id = jobs.create(largeJob(jobs));
      JobValidation validation = jobs.validation();
      Thread looking = new Thread(() -> validation.validate(jobs.find(id)));
      looking.start();
      Thread.sleep(50); // a small part of what it takes
      validation.stop();
      looking.join();
      assertEquals(JobStatus.VALIDATING_FILES, jobs.status(id));
      assertEquals(List.of(), jobs.told(id).stream().filter(e -> e.contains("Paused")).toList());
    }
  }

  @ParameterizedTest(name = "in a group: {0}")
  @ValueSource(booleans = {true, false})
  void aJobStopsWhileItsLargeValidationFileIsPrepared(boolean isInGroup) throws Exception {
    Scheduler.Means means = new Scheduler.Means(1L << 30, () -> 0, 1, 1, 1);
    try (OwnJobs jobs = new OwnJobs(scratch, means, () -> Limits.NONE)) {
      ObjectNode body = largeJob(jobs);
      if (!isInGroup) {
        ((ObjectNode) body.get("attune")).put("use_dora", true);
      }
      String id = jobs.create(body);
      jobs.jobs().start();
      while (jobs.status(id) != JobStatus.RUNNING) {
        Thread.sleep(10);
      }
      jobs.jobs().close();
      assertEquals(JobStatus.QUEUED, jobs.status(id));
      List<String> events = jobs.told(id);
      assertTrue(
          events.stream().anyMatch(e -> e.contains("had not come to a step")), events::toString);
    }
  }

  /** Of few rows to train on, and many, which take a while to be read, to validate with. */
  private static ObjectNode largeJob(OwnJobs jobs) throws IOException {
    String large = jobs.write(JobsTrial.chats(20_000));
    return JobsTrial.job(jobs.write(JobsTrial.chats(40)), ENDLESS).put("validation_file", large);
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
