package dev.attune.server.feedback;

import dev.attune.server.models.ModelLine;
import java.nio.file.Path;

/** Finds the files of what a model has learned before it serves. */
public interface OldFiles {
  /**
   * What it was trained on.
   *
   * @param id of a file that the request names; null: the one of the job that made the model
   * @throws dev.attune.server.http.ApiException if there is none
   */
  Path training(ModelLine line, String id);

  /**
   * What it was measured on; null where there is nothing.
   *
   * @param id of a file that the request names; null: the one of the job, if its training file is
   *     meant too
   * @param trainingId of the training file that the request names; or null
   */
  Path validation(ModelLine line, String id, String trainingId);
}
