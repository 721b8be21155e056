package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.files.FileStore;
import dev.attune.server.http.Fields;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.webhooks.Webhooks;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Jobs without a server around them, of whose means a test decides. */
final class OwnJobs implements AutoCloseable {
  private final DataFolder data;
  private final FileStore files;
  private final ModelCatalog models;
  private final ModelRoom room;
  private final Webhooks webhooks;
  private final Jobs jobs;

  /**
   * Jobs that are worked off once {@link Jobs#start} is called.
   *
   * @param scratch where bases and the data folder are made
   * @param roomLimits asked whenever room for models is looked for
   */
  OwnJobs(Path scratch, Scheduler.Means means, Supplier<Limits> roomLimits) throws IOException {
    JobsTrial.makeBases(scratch);
    data = DataFolder.open(scratch.resolve("data"));
    files = new FileStore(data.journal(), data.files(), tenant -> Limits.NONE, FileOps.SYSTEM);
    models =
        new ModelCatalog(
            data.journal(), Map.of("decoder", scratch.resolve("decoder")), data.models());
    room = new ModelRoom(models, data.models(), tenant -> roomLimits.get());
    webhooks = new Webhooks(data.journal(), Map.of());
    jobs =
        new Jobs(
            new Jobs.Parts(
                data.journal(),
                files,
                models,
                room,
                webhooks,
                tenant -> Limits.NONE,
                data.models(),
                data.runs()),
            means);
  }

  Jobs jobs() {
    return jobs;
  }

  /** Looks at the files of jobs where {@link #jobs} were not started. */
  JobValidation validation() {
    return new JobValidation(
        jobs.store(),
        new JobConfig.Sources(files, models, room, new JobFolders(data.models()), data.runs()),
        new JobEnds(webhooks),
        1L << 30);
  }

  /** Returns the id of a file. */
  String write(String chats) throws IOException {
    return files
        .write("local", "chats.jsonl", "fine-tune", chats.getBytes(StandardCharsets.UTF_8))
        .id();
  }

  /** Returns the id. */
  String create(ObjectNode body) {
    return jobs.create("local", JobRequest.of(Fields.of(body))).id();
  }

  Job find(String id) {
    return jobs.store().find(id).orElseThrow();
  }

  JobStatus status(String id) {
    return find(id).status();
  }

  /** Messages, the oldest first. */
  List<String> told(String id) {
    return data.journal()
        .read(
            read ->
                read.list(
                    "SELECT message FROM job_events WHERE job = ? ORDER BY number",
                    row -> row.getString(1),
                    id));
  }

  @Override
  public void close() {
    jobs.close();
    webhooks.close();
    data.close();
  }
}
