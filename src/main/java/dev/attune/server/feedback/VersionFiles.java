package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ModelVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What versions take on the disk: no more than their tenant may have, and no longer than they are
 * needed. What lies in a line's folder is counted from when it is written.
 */
final class VersionFiles {
  /**
   * Of a version's report until it is made: what it took when it was more than there was room for.
   */
  static final String NEEDED_BYTES = "needed_bytes";

  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private final Journal journal;
  private final ModelCatalog models;
  private final ModelRoom room;

  VersionFiles(Journal journal, ModelCatalog models, ModelRoom room) {
    this.journal = journal;
    this.models = models;
    this.room = room;
  }

  /**
   * Refuses a version that is about to be made where there is no room for one like its parent, or
   * like itself, where it was made before; of a model as it came, whose folder may hold more than a
   * version's, where there is none at all. Before that, files go of versions that were let go.
   *
   * @throws ApiException if there is none
   */
  void checkRoom(ModelLine line, ModelVersion candidate) {
    ModelVersion parent = models.versions().find(line, candidate.parent()).orElseThrow();
    List<Path> left = List.of(candidate.folder()); // of before a kill
    try {
      long ofParent = parent.parent() > 0 ? ModelRoom.bytes(List.of(parent.folder())) : 1;
      long refused = LearnerStore.parsed(candidate.report()).path(NEEDED_BYTES).asLong();
      long needed = Math.max(ofParent, refused);
      if (!hasRoom(line, needed, left)) {
        removeGone(line);
        room.checkBeside(line.tenant(), needed, left);
      }
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private boolean hasRoom(ModelLine line, long needed, List<Path> left) throws IOException {
    try {
      room.checkBeside(line.tenant(), needed, left);
      return true;
    } catch (ApiException e) {
      return false;
    }
  }

  /**
   * Does as {@link #checkWritten} with a version that was made, and notes what it takes, so that it
   * is not made again before there is room for it.
   *
   * @throws ApiException if its tenant has more than it may
   */
  void checkMade(ModelLine line, ModelVersion candidate) {
    long bytes = bytes(candidate.folder());
    try {
      checkWritten(line, candidate.folder());
    } catch (ApiException e) {
      ObjectNode report = LearnerStore.parsed(candidate.report()).put(NEEDED_BYTES, bytes);
      journal.change(
          session -> {
            models
                .versions()
                .become(session, candidate, candidate.state(), report.toString(), null);
            return null;
          });
      throw e;
    }
  }

  /**
   * Refuses what was written into a line's folder where its tenant has more than it may with it,
   * and removes it then.
   *
   * @throws ApiException if it has
   */
  void checkWritten(ModelLine line, Path written) {
    try {
      room.checkBeside(line.tenant(), bytes(written), List.of(written));
    } catch (ApiException e) {
      delete(written);
      throw e;
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private static long bytes(Path folder) {
    try {
      return ModelRoom.bytes(List.of(folder));
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private static UncheckedIOException failure(IOException e) {
    return new UncheckedIOException("the server's disk: " + e.getMessage(), e);
  }

  /**
   * Lets the files of old versions go: first the journal says that they have, then they do at the
   * next update, when nobody is still about to open them.
   */
  void retain(ModelLine line, int kept) {
    removeGone(line);
    ModelVersion live = models.versions().live(line).orElseThrow();
    Set<Integer> needed = new HashSet<>(List.of(1, live.number(), live.parent()));
    List<ModelVersion> all = models.versions().list(line);
    all.stream()
        .filter(version -> version.state() == ModelVersion.State.TRAINING)
        .forEach(version -> needed.add(version.parent()));
    int others = 0;
    for (ModelVersion version : all) {
      if (version.state().isWhole()
          && !needed.contains(version.number())
          && !journal.read(session -> isNeeded(session, version))
          && ++others > kept
          && letGo(version)) {
        models.tellRemoved(models.served(line, version));
      }
    }
  }

  private void removeGone(ModelLine line) {
    models.versions().list(line).stream()
        .filter(
            version ->
                version.state() == ModelVersion.State.REMOVED
                    || version.state() == ModelVersion.State.FAILED)
        .forEach(version -> delete(version.folder()));
  }

  private boolean isNeeded(Journal.Session session, ModelVersion version) {
    return models.versions().isLive(session, version)
        || models.held(session, version.tenant(), version.name()).isPresent();
  }

  /** Notes that a version has no files any more; false: somebody has come who needs them. */
  private boolean letGo(ModelVersion version) {
    return journal.change(
        session -> {
          boolean goes = !isNeeded(session, version);
          if (goes) {
            models.versions().become(session, version, ModelVersion.State.REMOVED, null, null);
          }
          return goes;
        });
  }

  static void delete(Path folder) {
    try {
      FileOps.SYSTEM.deleteTree(folder);
    } catch (IOException e) {
      LOG.log(Level.WARNING, "files of a learner stay on the disk: " + e.getMessage(), e);
    }
  }
}
