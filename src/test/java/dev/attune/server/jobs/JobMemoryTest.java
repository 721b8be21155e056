package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.files.FileStore;
import dev.attune.server.http.Fields;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.webhooks.Webhooks;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
    JobsTrial.makeBases(scratch);
    try (DataFolder data = DataFolder.open(scratch.resolve("data"))) {
      FileStore files =
          new FileStore(data.journal(), data.files(), tenant -> Limits.NONE, FileOps.SYSTEM);
      ModelCatalog models =
          new ModelCatalog(
              data.journal(), Map.of("decoder", scratch.resolve("decoder")), data.models());
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
      try (Webhooks webhooks = new Webhooks(data.journal(), Map.of());
          Jobs jobs =
              new Jobs(
                  new Jobs.Parts(
                      data.journal(),
                      files,
                      models,
                      new ModelRoom(models, data.models(), tenant -> Limits.NONE),
                      webhooks,
                      tenant -> Limits.NONE,
                      data.models(),
                      data.runs()),
                  means)) {
        seen.set(jobs);
        byte[] chats = JobsTrial.chats(8).getBytes(StandardCharsets.UTF_8);
        String file = files.write("local", "chats.jsonl", "fine-tune", chats).id();
        Fields body = Fields.of(JobsTrial.job(file, 1));
        String id = jobs.create("local", JobRequest.of(body)).id();
        jobs.start();
        while (jobs.store().find(id).orElseThrow().status() != JobStatus.SUCCEEDED) {
          Thread.sleep(20);
        }
        long need = jobs.store().find(id).orElseThrow().needBytes();
        assertEquals(List.of(need, need), counted);
        while (jobs.takenBytes() > 0) {
          Thread.sleep(20);
        }
      }
    }
  }
}
