package dev.attune.server.data;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.server.access.Limits;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.UploadStore;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

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
      for (ServedModel model : new ModelCatalog(data.journal(), Map.of(), data.models()).tuned()) {
        try {
          ModelFolder.open(model.folder(), null);
        } catch (InputException e) {
          problems.add("model " + model.id() + " of " + model.tenant() + ": " + e.getMessage());
        }
      }
    }
    return problems;
  }
}
