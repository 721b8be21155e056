package dev.attune.server.data;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.FolderLock;
import dev.attune.server.access.KeyStore;
import dev.attune.server.database.Journal;
import dev.attune.server.feedback.Feedback;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.UploadStore;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.training.Sessions;
import dev.attune.server.webhooks.Webhooks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Where things lie in a server's folder, and its journal.
 *
 * <pre>
 * journal.db     all that was answered
 * files/         files of tenants, by id
 * uploads/       parts of files that are not whole yet
 * models/        what jobs have made and make; lines of versions that corrections have made
 * runs/          how jobs went
 * training/      states of sessions
 * </pre>
 */
public final class DataFolder implements AutoCloseable {
  /** The tables of all parts. */
  private static final List<String> LAYOUT =
      Stream.of(
              KeyStore.LAYOUT,
              FileStore.LAYOUT,
              UploadStore.LAYOUT,
              ModelCatalog.LAYOUT,
              Webhooks.LAYOUT,
              Jobs.LAYOUT,
              Feedback.LAYOUT)
          .flatMap(List::stream)
          .toList();

  private final Path path;
  private final FolderLock lock; // null: others may write too
  private final Journal journal;

  private DataFolder(Path path, FolderLock lock, Journal journal) {
    this.path = path;
    this.lock = lock;
    this.journal = journal;
  }

  /**
   * Opens it for a server, which has it alone; makes it where it is not there.
   *
   * @throws InputException if another server has it, or it cannot be used
   */
  public static DataFolder open(Path folder) {
    Path path = folder.toAbsolutePath().normalize();
    try {
      FileOps.SYSTEM.createFolder(path);
      FolderLock lock = FolderLock.take(path);
      try {
        return new DataFolder(path, lock, journal(path));
      } catch (RuntimeException | Error e) {
        lock.close();
        throw e;
      }
    } catch (IOException e) {
      throw new InputException("the data folder " + path + " cannot be used: " + reason(e), e);
    }
  }

  private static String reason(IOException e) {
    return e.getClass().getSimpleName() + ": " + e.getMessage();
  }

  private static Journal journal(Path path) {
    Journal journal = Journal.open(path.resolve("journal.db"), LAYOUT);
    try {
      journal.change(
          change -> {
            Sessions.LAYOUT.forEach(change::update);
            change.update(UploadStore.LAYOUT_OF_MADE);
            return null;
          });
      return journal;
    } catch (RuntimeException | Error e) {
      journal.close();
      throw e;
    }
  }

  /** Opens it beside a server that may be running; makes it where it is not there. */
  public static DataFolder openBeside(Path folder) {
    Path path = folder.toAbsolutePath().normalize();
    return new DataFolder(path, null, journal(path));
  }

  /**
   * Refuses a folder that no server has ever used.
   *
   * @throws InputException if there is no journal in it
   */
  public static void checkUsed(Path folder) {
    if (!Files.isRegularFile(folder.resolve("journal.db"))) {
      throw new InputException(folder + " is no data folder of a server: it has no journal.db");
    }
  }

  /** The journal. */
  public Journal journal() {
    return journal;
  }

  /** All of it. */
  public Path folder() {
    return path;
  }

  /** Where files of tenants lie. */
  public Path files() {
    return path.resolve("files");
  }

  /** Where parts of uploads lie. */
  public Path uploads() {
    return path.resolve("uploads");
  }

  /** Where tuned models lie. */
  public Path models() {
    return path.resolve("models");
  }

  /** The run store. */
  public Path runs() {
    return path.resolve("runs");
  }

  /** Where states of sessions lie. */
  public Path training() {
    return path.resolve("training");
  }

  @Override
  public void close() {
    journal.close();
    if (lock != null) {
      try {
        lock.close();
      } catch (IOException e) {
        throw new UncheckedIOException("the data folder's lock cannot be given back", e);
      }
    }
  }
}
