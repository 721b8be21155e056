package dev.attune.server.feedback;

import dev.attune.server.files.FileStore;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelLine;
import java.nio.file.Path;

/** Finds the files of what a model has learned before it serves. */
final class OldFiles {
  private final FileStore files;

  OldFiles(FileStore files) {
    this.files = files;
  }

  /**
   * What it was trained on.
   *
   * @param id of a file that the request names; null: the one of the job that made the model
   */
  Path training(ModelLine line, String id) {
    if (id == null) {
      throw ApiException.badRequest(
          "replay_file",
          "'replay_file' is missing: the id of a file of what '"
              + line.model()
              + "' was trained on, which updates repeat");
    }
    return files.find(line.tenant(), id).path();
  }

  /**
   * What it was measured on; null where there is nothing.
   *
   * @param id of a file that the request names; or null
   */
  Path validation(ModelLine line, String id) {
    return id == null ? null : files.find(line.tenant(), id).path();
  }
}
