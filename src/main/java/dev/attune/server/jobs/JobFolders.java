package dev.attune.server.jobs;

import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where jobs leave what they make:
 *
 * <pre>
 * models/ftjob-…/model/      the run's output folder
 * models/ftjob-…/step-120/   a checkpoint as a model
 * </pre>
 *
 * @param models folder of all tuned models
 */
record JobFolders(Path models) {
  private Path of(Job job) {
    return models.resolve(job.id());
  }

  /** The run's output folder, and at the end the model. */
  Path model(Job job) {
    return of(job).resolve("model");
  }

  /** A checkpoint as a model. */
  Path checkpoint(Job job, long step) {
    return of(job).resolve("step-" + step);
  }

  /** Removes what a run has left that will not go on. */
  void removeRun(Job job) throws IOException {
    remove(model(job));
  }

  /** Removes a folder, where it is there. */
  static void remove(Path folder) throws IOException {
    if (Files.exists(folder)) {
      FileOps.SYSTEM.deleteTree(folder);
    }
  }
}
