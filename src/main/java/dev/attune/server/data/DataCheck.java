package dev.attune.server.data;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.server.access.Limits;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.UploadStore;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ServedModel;
import dev.attune.server.training.Sessions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads all that a server's folder holds, and compares it with the journal. */
public final class DataCheck {
  private DataCheck() {}

  /**
   * What is damaged, missing, or left over; empty: nothing.
   *
   * @throws InputException if it is no server's folder, or a server has it
   */
  public static List<String> of(Path folder) throws IOException {
    DataFolder.checkUsed(folder);
    List<String> problems = new ArrayList<>();
    try (DataFolder data = DataFolder.open(folder)) {
      data.journal().check().forEach(finding -> problems.add("journal.db: " + finding));
      FileStore files =
          new FileStore(data.journal(), data.files(), tenant -> Limits.NONE, FileOps.SYSTEM);
      problems.addAll(files.check());
      problems.addAll(
          new UploadStore(data.journal(), data.uploads(), files, FileOps.SYSTEM).check());
      ModelCatalog models = new ModelCatalog(data.journal(), Map.of(), data.models());
      for (ServedModel model : models.tuned()) {
        problemOf(model.folder())
            .ifPresent(
                problem ->
                    problems.add("model " + model.id() + " of " + model.tenant() + ": " + problem));
      }
      for (Path version : models.versions().made()) {
        problemOf(version)
            .ifPresent(
                problem ->
                    problems.add("version " + data.models().relativize(version) + ": " + problem));
      }
      for (Path leftover : Jobs.leftovers(data.journal(), models, data.models())) {
        problems.add("left over: " + data.folder().relativize(leftover));
      }
      Sessions.Parts sessions =
          new Sessions.Parts(
              data.journal(),
              models,
              new ModelRoom(models, data.models(), tenant -> Limits.NONE),
              tenant -> Limits.NONE,
              data.training(),
              data.models());
      problems.addAll(Sessions.problems(sessions, data.folder()));
    }
    return problems;
  }

  private static Optional<String> problemOf(Path folder) {
    try {
      ModelFolder.open(folder, null);
      return Optional.empty();
    } catch (InputException e) {
      return Optional.of(e.getMessage());
    }
  }
}
