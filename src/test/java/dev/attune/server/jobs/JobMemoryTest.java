package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.server.access.Limits;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The memory of jobs as others see it, which take of the same. */
@Timeout(60)
class JobMemoryTest {
  private static final long MEMORY = 1L << 30;

  @TempDir Path scratch;

  /** Or both could begin at a time, each before the other is counted. */
  @Test
  void aJobIsCountedBeforeOthersAreLookedAt() throws Exception {
    AtomicReference<Jobs> seen = new AtomicReference<>();
    List<Long> counted = new CopyOnWriteArrayList<>();
    Scheduler.Means means =
        new Scheduler.Means(
            MEMORY,
            () -> {
              counted.add(seen.get().takenBytes());
              return counted.size() == 1 ? MEMORY : 0; // the first time there is none for it
            },
            1,
            1,
            1);
    try (OwnJobs jobs = new OwnJobs(scratch, means, () -> Limits.NONE)) {
      seen.set(jobs.jobs());
      String id = jobs.create(JobsTrial.job(jobs.write(JobsTrial.chats(8)), 1));
      jobs.jobs().start();
      while (jobs.status(id) != JobStatus.SUCCEEDED) {
        Thread.sleep(20);
      }
      long need = jobs.find(id).needBytes();
      assertEquals(List.of(need, need), counted);
      while (jobs.jobs().takenBytes() > 0) {
        Thread.sleep(20);
      }
    }
  }
}
