package dev.attune.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.Check;
import dev.attune.core.FileOps;
import dev.attune.memory.Buffer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The checkpoints of a run: {@code step-000000123} folders, the newest few kept, and the best
 * weights so far. A save writes beside, syncs, verifies, then renames; an older one goes only after
 * that.
 */
public final class CheckpointStore {
  private static final String STEP = "step-";
  private static final String BEST = "best-";
  private static final String PARTIAL = ".partial-";

  private final Path folder;
  private final int keep;
  private final FileOps files;

  /**
   * @param folder created by the first save
   * @param keep checkpoints to keep, at least 2
   */
  public CheckpointStore(Path folder, int keep) {
    this(folder, keep, FileOps.SYSTEM);
  }

  CheckpointStore(Path folder, int keep, FileOps files) {
    Check.argument(keep >= 2, "keep is %d; 2 at least, so that a damaged one loses little", keep);
    this.folder = folder;
    this.keep = keep;
    this.files = files;
  }

  /**
   * Saves a state; returns when it is safe on the disk.
   *
   * @throws UncheckedIOException if it could not be saved; earlier checkpoints are whole
   */
  public void save(long step, JsonNode state, Map<String, Buffer> buffers) {
    save(STEP, step, state, buffers, keep);
  }

  /** Saves weights in place of those of the last call; the old ones stay until the new are safe. */
  public void saveBest(Buffer weights) {
    long number =
        numbered(folder, BEST).stream().mapToLong(CheckpointStore::number).max().orElse(0) + 1;
    save(BEST, number, JsonNodeFactory.instance.objectNode(), Map.of("weights", weights), 1);
  }

  /** Loads what {@link #saveBest} saved last. */
  public void loadBest(Buffer weights) {
    latest(BEST, problem -> {})
        .orElseThrow(() -> new IllegalStateException("no best weights were saved in " + folder))
        .load(Map.of("weights", weights));
  }

  /**
   * The newest checkpoint whose every byte is as written.
   *
   * @param problem hears of checkpoints that are skipped because they are damaged
   */
  public Optional<Snapshot> latest(Consumer<String> problem) {
    return latest(STEP, problem);
  }

  /**
   * What the newest checkpoint notes, without the time that checking its buffers takes: for what
   * must be known before there is anything to load them into. {@link #latest} has the last word.
   */
  public static Optional<JsonNode> peek(Path folder) {
    for (Path candidate : numbered(folder, STEP)) {
      try {
        return Optional.of(Snapshot.peek(candidate));
      } catch (IOException e) {
        // Damaged: latest will say so.
      }
    }
    return Optional.empty();
  }

  /** Removes everything. */
  public void clear() {
    try {
      deleteTree(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(folder + " cannot be removed: " + e.getMessage(), e);
    }
  }

  private void save(
      String kind, long number, JsonNode state, Map<String, Buffer> buffers, int kept) {
    Path target = folder.resolve(kind + String.format("%09d", number));
    Path partial = folder.resolve(PARTIAL + target.getFileName());
    try {
      files.createFolder(folder);
      deleteTree(partial);
      Snapshot.write(partial, state, buffers, files);
      Snapshot.verify(partial);
      deleteTree(target); // of a run that was killed after this step and resumed before it
      files.rename(partial, target);
      files.syncFolder(folder);
      List<Path> all = numbered(folder, kind);
      for (int i = kept; i < all.size(); i++) {
        deleteTree(all.get(i));
      }
    } catch (IOException e) {
      try {
        deleteTree(partial);
      } catch (IOException cleanup) {
        e.addSuppressed(cleanup);
      }
      throw new UncheckedIOException(
          "the checkpoint "
              + target
              + " could not be saved: "
              + e.getMessage()
              + ". Earlier checkpoints are whole",
          e);
    }
  }

  private Optional<Snapshot> latest(String kind, Consumer<String> problem) {
    for (Path candidate : numbered(folder, kind)) {
      try {
        return Optional.of(Snapshot.verify(candidate));
      } catch (IOException e) {
        problem.accept("skipping the damaged checkpoint " + candidate + ": " + e.getMessage());
      }
    }
    return Optional.empty();
  }

  /** Folders of a kind, the newest first. */
  private static List<Path> numbered(Path folder, String kind) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, kind + "*")) {
      for (Path path : stream) {
        if (path.getFileName().toString().matches(kind + "\\d{9,}")) {
          found.add(path);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(folder + " cannot be listed: " + e.getMessage(), e);
    }
    found.sort(Comparator.comparingLong(CheckpointStore::number).reversed());
    return found;
  }

  private static long number(Path path) {
    String name = path.getFileName().toString();
    return Long.parseLong(name.substring(name.indexOf('-') + 1));
  }

  private void deleteTree(Path root) throws IOException {
    // The manifest goes first: what is left of a deletion cut short is no checkpoint.
    files.delete(root.resolve("manifest.json"));
    files.deleteTree(root);
  }
}
