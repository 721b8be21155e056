package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Whose turn it is. */
class JobQueueTest {
  private static Job job(long number, String tenant, int priority, boolean precedes, Long by) {
    JobRequest request =
        new JobRequest(
            "base",
            "file",
            null,
            JobRequest.SUPERVISED,
            JobRequest.Hyperparameters.USUAL,
            42,
            "",
            Map.of(),
            Map.of(),
            priority,
            by);
    return new Job(
        number,
        "ftjob-" + number,
        tenant,
        JobStatus.QUEUED,
        0,
        null,
        number,
        precedes,
        request,
        null,
        null,
        null,
        null,
        null);
  }

  private static Job job(long number, String tenant) {
    return job(number, tenant, 0, false, null);
  }

  /** Numbers in the order in which jobs would begin, each of which is over at once. */
  private static List<Long> begun(List<Job> jobs) {
    List<Job> waiting = new ArrayList<>(jobs);
    Map<String, Long> starts = new HashMap<>();
    List<Long> order = new ArrayList<>();
    for (long time = 1; !waiting.isEmpty(); time++) {
      Job next = JobQueue.ordered(waiting, starts).get(0);
      waiting.remove(next);
      starts.put(next.tenant(), time);
      order.add(next.number());
    }
    return order;
  }

  @Test
  void tenantsTakeTurns() {
    assertEquals(
        List.of(1L, 4L, 6L, 2L, 5L, 3L),
        begun(
            List.of(job(1, "a"), job(2, "a"), job(3, "a"), job(4, "b"), job(5, "b"), job(6, "c"))));
  }

  @Test
  void higherPrioritiesGoFirstThenWhatWasStoppedThenDeadlines() {
    assertEquals(
        List.of(5L, 4L, 3L, 2L, 1L),
        begun(
            List.of(
                job(1, "a", 0, false, null),
                job(2, "a", 0, false, 2000L),
                job(3, "a", 0, false, 1000L),
                job(4, "a", 0, true, null),
                job(5, "a", 1, false, null))));
  }

  @Test
  void theLastThatBeganOfTheLowestPriorityMakesWay() {
    List<Job> running =
        List.of(
            job(1, "a", 0, false, null), job(2, "b", 0, false, null), job(3, "c", 2, false, null));
    Optional<Job> chosen = JobQueue.toStop(running, job(4, "d", 1, false, null));
    assertEquals(2, chosen.orElseThrow().number());
    assertTrue(JobQueue.toStop(running, job(4, "d", 0, false, null)).isEmpty());
  }
}
