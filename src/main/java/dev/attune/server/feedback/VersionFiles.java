package dev.attune.server.feedback;

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
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What versions take on the disk: no more than their tenant may have, and no longer than they are
 * needed. What lies in a line's folder is counted from when it is written.
 */
final class VersionFiles {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private final Journal journal;
  private final ModelCatalog models;
  private final ModelRoom room;
  private final Map<Path, Long> refused = new ConcurrentHashMap<>(); // bytes by folder

  VersionFiles(Journal journal, ModelCatalog models, ModelRoom room) {
    this.journal = journal;
    this.models = models;
    this.room = room;
  }

  /**
   * Refuses a version that is about to be made where there is no room for one like its parent, or
   * like itself, where it was made before; of a model as it came, whose folder may hold more than a
   * version's, where there is none at all.
   *
   * @throws ApiException if there is none
   */
  void checkRoom(ModelLine line, ModelVersion candidate) {
    ModelVersion parent = models.versions().find(line, candidate.parent()).orElseThrow();
    List<Path> left = List.of(candidate.folder()); // of before a kill
    try {
      long ofParent = parent.parent() > 0 ? ModelRoom.bytes(List.of(parent.folder())) : 1;
      long needed = Math.max(ofParent, refused.getOrDefault(candidate.folder(), 0L));
      if (!hasRoom(line, needed, left)) {
        removeGone(line);
        room.checkQuota(line.tenant(), needed, left);
      }
    } catch (IOException e) {
      throw failure(e);
    }
  }

  private boolean hasRoom(ModelLine line, long needed, List<Path> left) throws IOException {
    try {
      room.checkQuota(line.tenant(), needed, left);
      return true;
    } catch (ApiException e) {
      return false;
    }
  }

  /**
   * Refuses what was written into a line's folder where its tenant has more than it may with it,
   * and removes it then.
   *
   * @throws ApiException if it has
   */
  void checkWritten(ModelLine line, Path written) {
    List<Path> counted = List.of(written);
    try {
      long bytes = ModelRoom.bytes(counted);
      refused.put(written, bytes);
      room.checkQuota(line.tenant(), bytes, counted);
      refused.remove(written);
    } catch (ApiException e) {
      delete(written);
      throw e;
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
    int others = 0;
    for (ModelVersion version : models.versions().list(line)) {
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
