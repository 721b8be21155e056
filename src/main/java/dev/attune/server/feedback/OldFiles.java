package dev.attune.server.feedback;

import dev.attune.server.files.FileStore;
import dev.attune.server.http.ApiException;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.models.ModelLine;
import java.nio.file.Path;

/** Finds the files of what a model has learned before it serves. */
final class OldFiles {
  private final FileStore files;
  private final Jobs jobs; // null: there are none

  OldFiles(FileStore files, Jobs jobs) {
    this.files = files;
    this.jobs = jobs;
  }

  /**
   * Files to read.
   *
   * @param heldOut null: rows of the others are held out
   */
  record Found(Path replay, Path heldOut) {}

  /**
   * Finds them. Where no file to repeat is named, the one of the job that made the model is meant,
   * and with it the one that the job was validated on.
   *
   * @param replay id; or null
   * @param heldOut id; or null
   */
  Found of(ModelLine line, String replay, String heldOut) {
    String job = line.original().job();
    if (replay == null && (job == null || jobs == null)) {
      throw ApiException.badRequest(
          "replay_file",
          "'replay_file' is missing: the id of a file of what '"
              + line.model()
              + "' was trained on, which updates repeat");
    }
    String held = heldOut;
    String training = replay;
    if (replay == null) {
      Jobs.DataFiles learned = jobs.files(line.tenant(), job);
      training = learned.training();
      held = heldOut == null ? learned.validation() : heldOut;
    }
    return new Found(
        files.find(line.tenant(), training).path(),
        held == null ? null : files.find(line.tenant(), held).path());
  }
}
