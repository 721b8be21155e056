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
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The checkpoints of a run and its best weights:
 *
 * <pre>
 * step-000000123/       the newest few
 * best-000000100/       weights of the best step so far, and of those that kept checkpoints name
 * best-000000100.copy/  of the newest a second time: a run is to end with them
 * </pre>
 *
 * <p>A save writes beside, syncs, verifies, then renames; an older one goes only after that. For
 * one thread at a time.
 */
public final class CheckpointStore {
  private static final String STEP = "step-";
  private static final String BEST = "best-";
  private static final String COPY = ".copy";
  private static final String PARTIAL = ".partial-";

  private final Path folder;
  private final int keep;
  private final Consumer<String> note;
  private final FileOps files;
  private long bestStep; // whose weights are kept twice; 0: none yet

  /**
   * @param folder created by the first save
   * @param keep checkpoints to keep, at least 2
   * @param note hears of what is damaged or cannot be removed
   */
  public CheckpointStore(Path folder, int keep, Consumer<String> note) {
    this(folder, keep, note, FileOps.SYSTEM);
  }

  CheckpointStore(Path folder, int keep, Consumer<String> note, FileOps files) {
    Check.argument(keep >= 2, "keep is %d; 2 at least, so that a damaged one loses little", keep);
    this.folder = folder;
    this.keep = keep;
    this.note = note;
    this.files = files;
  }

  /** The folder of a store, once it is put aside to be removed. */
  private static Path removed(Path folder) {
    return folder.resolveSibling("." + folder.getFileName() + ".removed");
  }

  /**
   * Saves a state, which may speak of the best weights that were saved last; returns when it is
   * safe on the disk.
   *
   * @throws UncheckedIOException if it could not be saved, saying what there is
   */
  public void save(long step, JsonNode state, Map<String, Buffer> buffers) {
    put(path(STEP, step), bestStep, state, buffers);
    // Later ones were damaged, or the run would have gone on from them.
    numbered(folder, STEP).stream().filter(path -> number(path) > step).forEach(this::discard);
    retire();
  }

  /**
   * Saves the weights of a step as the best, twice; those of the last call stay until the new are
   * safe, and for as long as a checkpoint names them.
   *
   * @throws UncheckedIOException if they could not be saved both times, saying what there is
   */
  public void saveBest(long step, Buffer weights) {
    Path best = path(BEST, step);
    putBest(best, weights);
    for (Path older : numbered(folder, BEST)) {
      if (!older.equals(best)) {
        discard(copyOf(older));
      }
    }
    putBest(copyOf(best), weights);
    bestStep = step;
    retire();
  }

  private void putBest(Path target, Buffer weights) {
    put(target, 0, JsonNodeFactory.instance.objectNode(), Map.of("weights", weights));
  }

  /**
   * Loads what {@link #saveBest} saved last, before a resume too.
   *
   * @return false if neither copy is whole: the buffer is as it was, and the note has been told
   * @throws UncheckedIOException if a copy that was whole could not be read to its end
   */
  public boolean loadBest(Buffer weights) {
    Optional<Snapshot> best = best(bestStep);
    best.ifPresent(snapshot -> snapshot.load(Map.of("weights", weights)));
    return best.isPresent();
  }

  /** The first whole copy of a step's best weights. */
  private Optional<Snapshot> best(long step) {
    Path best = path(BEST, step);
    for (Path candidate : List.of(best, copyOf(best))) {
      try {
        return Optional.of(Snapshot.verify(candidate));
      } catch (IOException e) {
        note.accept("the copy of the best weights in " + candidate + " is lost: " + e.getMessage());
      }
    }
    return Optional.empty();
  }

  /** Whether the best weights of a step are there; if they are, they are there twice after this. */
  private boolean secureBest(long step) {
    Optional<Snapshot> best = best(step);
    best.ifPresent(this::copyBest);
    return best.isPresent();
  }

  private void copyBest(Snapshot best) {
    Path first = path(BEST, number(best.folder()));
    Path other = best.folder().equals(first) ? copyOf(first) : first;
    try {
      Snapshot.verify(other);
      return;
    } catch (IOException e) {
      if (Files.exists(other)) { // else they were not the newest any more, of which alone are two
        note.accept(
            "the copy of the best weights in "
                + other
                + " is lost ("
                + e.getMessage()
                + ") and is made again from "
                + best.folder());
      }
    }
    try {
      put(other, partial -> best.copyTo(partial, files));
    } catch (UncheckedIOException e) {
      note.accept(e.getMessage() + ". There is one copy of the best weights");
    }
  }

  /**
   * A checkpoint to go on from.
   *
   * @param lacksBest whether it names best weights of which neither copy is whole
   */
  public record Found(Snapshot checkpoint, boolean lacksBest) {}

  /**
   * The newest checkpoint whose every byte is as written, and so are the best weights that it
   * names; if there is none, the newest that lacks those alone. The note hears of what is skipped.
   */
  public Optional<Found> latest() {
    Snapshot lacking = null;
    for (Path candidate : numbered(folder, STEP)) {
      try {
        Snapshot snapshot = Snapshot.verify(candidate);
        if (snapshot.bestStep() == 0 || secureBest(snapshot.bestStep())) {
          bestStep = snapshot.bestStep();
          return Optional.of(new Found(snapshot, false));
        }
        note.accept(
            "skipping the checkpoint "
                + candidate
                + ": the best weights that it names, of step "
                + snapshot.bestStep()
                + ", are lost");
        lacking = lacking == null ? snapshot : lacking;
      } catch (IOException e) {
        note.accept("skipping the damaged checkpoint " + candidate + ": " + e.getMessage());
      }
    }
    return Optional.ofNullable(lacking).map(snapshot -> new Found(snapshot, true));
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

  /** Removes everything, as {@link #remove(Path)} does. */
  public void clear() {
    try {
      remove(folder, files);
    } catch (IOException e) {
      throw new UncheckedIOException(
          (Files.exists(folder) ? folder : removed(folder))
              + " cannot be removed: "
              + e.getMessage(),
          e);
    }
  }

  /**
   * Removes the store in a folder, if there is one, and what is left of a removal that was cut
   * short. One rename takes all checkpoints away, so that no run can go on from some of them.
   */
  public static void remove(Path folder) throws IOException {
    remove(folder, FileOps.SYSTEM);
  }

  private static void remove(Path folder, FileOps files) throws IOException {
    removeLeft(folder, files);
    if (Files.exists(folder)) {
      files.rename(folder, removed(folder));
      files.syncFolder(folder.toAbsolutePath().getParent());
      removeLeft(folder, files);
    }
  }

  /** Removes what is left of a removal that was cut short; the store itself stays. */
  public static void removeLeft(Path folder) throws IOException {
    removeLeft(folder, FileOps.SYSTEM);
  }

  private static void removeLeft(Path folder, FileOps files) throws IOException {
    files.deleteTree(removed(folder));
  }

  private interface Writer {
    void write(Path folder) throws IOException;
  }

  private void put(Path target, long best, JsonNode state, Map<String, Buffer> buffers) {
    put(target, partial -> Snapshot.write(partial, best, state, buffers, files));
  }

  private void put(Path target, Writer writer) {
    Path partial = folder.resolve(PARTIAL + target.getFileName());
    boolean isInPlace = false;
    try {
      files.createFolder(folder);
      deleteTree(partial);
      writer.write(partial);
      Snapshot.verifyWritten(partial, files);
      deleteTree(target); // of a run that was killed after this step and resumed before it
      files.rename(partial, target);
      isInPlace = true;
      files.syncFolder(folder);
    } catch (IOException e) {
      try {
        deleteTree(partial);
      } catch (IOException cleanup) {
        e.addSuppressed(cleanup);
      }
      throw new UncheckedIOException(
          target
              + (isInPlace
                  ? " is written, but its folder could not be synced, so that a loss of power may"
                      + " undo it: "
                  : " could not be saved: ")
              + e.getMessage()
              + ". "
              + newest(),
          e);
    }
  }

  /** What there is to go on from, for messages. */
  private String newest() {
    try {
      return numbered(folder, STEP).stream()
          .filter(Snapshot::isComplete)
          .findFirst()
          .map(path -> "The newest checkpoint there is that of step " + number(path))
          .orElse("There is no checkpoint in " + folder);
    } catch (UncheckedIOException e) {
      return e.getMessage();
    }
  }

  /** Removes what is no longer kept; what cannot be removed stays until the next time. */
  private void retire() {
    List<Path> steps = numbered(folder, STEP);
    steps.stream().skip(keep).forEach(this::discard);
    Set<Long> named = new HashSet<>();
    for (Path step : steps.subList(0, Math.min(keep, steps.size()))) {
      try {
        named.add(Snapshot.bestStep(step));
      } catch (IOException e) {
        // Damaged: nobody goes on from it.
      }
    }
    for (Path best : numbered(folder, BEST)) {
      if (number(best) != bestStep) {
        discard(copyOf(best));
        if (!named.contains(number(best))) {
          discard(best);
        }
      }
    }
  }

  private void discard(Path old) {
    try {
      deleteTree(old);
    } catch (IOException e) {
      note.accept(old + " is of no more use and cannot be removed: " + e.getMessage());
    }
  }

  private Path path(String kind, long number) {
    return folder.resolve(kind + String.format(Locale.ROOT, "%09d", number));
  }

  private static Path copyOf(Path best) {
    return best.resolveSibling(best.getFileName() + COPY);
  }

  /** Folders of a kind, the newest first; second copies are none. */
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
    int end = name.endsWith(COPY) ? name.length() - COPY.length() : name.length();
    return Long.parseLong(name.substring(name.indexOf('-') + 1, end));
  }

  private void deleteTree(Path root) throws IOException {
    // The manifest goes first: what is left of a deletion cut short is no checkpoint.
    files.delete(root.resolve("manifest.json"));
    files.deleteTree(root);
  }
}
