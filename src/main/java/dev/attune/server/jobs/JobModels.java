package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.Ids;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ServedModel;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;

/**
 * What a job makes for its tenant to call: models of checkpoints on the way, and one at the end.
 * Each is noted by one change of the journal, as a whole or not at all.
 */
final class JobModels {
  private static final int CHECKPOINTS_KEPT = 3;

  private final Job job;
  private final JobStore store;
  private final JobConfig.Sources sources;

  JobModels(Job job, JobStore store, JobConfig.Sources sources) {
    this.job = job;
    this.store = store;
    this.sources = sources;
  }

  private String name(ServedModel tuned) {
    return tuned.tunedName(job.tenant(), job.request().suffix(), job.shortId());
  }

  private ServedModel served(String id, Instant created, ServedModel tuned, Path folder) {
    return new ServedModel(id, job.tenant(), created, tuned.baseOf(folder), folder, job.id());
  }

  /**
   * The model that the job ends with, which is not noted yet.
   *
   * @param tuned what it was trained from
   */
  ServedModel result(ServedModel tuned, Path folder) {
    return served(name(tuned), Instant.now(), tuned, folder);
  }

  /**
   * Notes the model that a job ends with, within the change that makes it succeeded.
   *
   * @param made the same, as it was measured before
   * @throws dev.attune.server.http.ApiException if it is more than its tenant may have
   */
  void add(Journal.Session session, ServedModel result, ModelRoom.Made made) {
    sources.room().checkMade(made, List.of());
    sources.models().add(session, result);
  }

  /**
   * Notes a checkpoint's model, and forgets those of earlier ones that nobody needs.
   *
   * @param tuned what it was trained from
   * @throws dev.attune.server.http.ApiException if it is more than its tenant may have; nothing is
   *     noted then, nor forgotten
   */
  void checkpoint(ServedModel tuned, long step, Path folder, ObjectNode metrics) {
    ServedModel model =
        served(ServedModel.checkpointName(name(tuned), step), Instant.now(), tuned, folder);
    JobCheckpoint checkpoint =
        new JobCheckpoint(
            Ids.next("ftckpt_"),
            job.id(),
            step,
            model.created().getEpochSecond(),
            model.id(),
            metrics);
    ModelRoom.Made made = sources.room().measure(job.tenant(), folder);
    List<JobCheckpoint> forgotten =
        store.trail().note(checkpoint, session -> replaced(session, model, made, step));
    for (JobCheckpoint old : forgotten) {
      Instant created = Instant.ofEpochSecond(old.created());
      Path place = sources.folders().checkpoint(job, old.step());
      sources.models().tellRemoved(served(old.model(), created, tuned, place));
    }
  }

  /**
   * Puts a model in the place of earlier ones, which are returned. One that was noted before a kill
   * takes no more now than it did: it is not refused, so that its files never go without it.
   */
  private List<JobCheckpoint> replaced(
      Journal.Session session, ServedModel model, ModelRoom.Made made, long step) {
    List<JobCheckpoint> all = JobTrail.checkpoints(session, job.id());
    List<JobCheckpoint> unneeded =
        all.stream()
            .filter(c -> c.step() != step)
            .filter(c -> sources.models().held(session, job.tenant(), c.model()).isEmpty())
            .toList();
    List<JobCheckpoint> forgotten =
        unneeded.subList(Math.min(unneeded.size(), CHECKPOINTS_KEPT - 1), unneeded.size());
    List<Path> going =
        all.stream()
            .filter(c -> c.step() == step || forgotten.contains(c))
            .map(c -> sources.folders().checkpoint(job, c.step()))
            .toList();
    sources.room().checkMade(made, going);
    forgotten.forEach(old -> sources.models().remove(session, old.model()));
    sources.models().remove(session, model.id()); // of before a kill
    sources.models().add(session, model);
    return forgotten;
  }
}
