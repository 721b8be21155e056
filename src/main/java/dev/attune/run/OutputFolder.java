package dev.attune.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.folder.FolderLock;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelInstall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The folder that a run writes to: the model, {@code metrics.jsonl}, {@code run.yaml}, {@code
 * data_report.json}, checkpoints. While it is open no other run can write there.
 */
final class OutputFolder implements AutoCloseable {
  static final String RUN_FILE = "run.yaml";
  static final String METRICS_FILE = "metrics.jsonl";

  private final Path folder;
  private final FolderLock lock;
  private final Path made; // the outermost folder that had to be made for it; null: none

  private OutputFolder(Path folder, FolderLock lock, Path made) {
    this.folder = folder;
    this.lock = lock;
    this.made = made;
  }

  /**
   * Takes the folder; refuses one that holds a model or a run, unless told what to do with it.
   *
   * @param fold of the cross-validation that the run is part of; null: of none
   * @param overwrite replace the model; nothing is removed before {@link #clear}
   * @param resume go on with the run that was begun there
   */
  static OutputFolder prepare(Path folder, Fold fold, boolean overwrite, boolean resume) {
    if (overwrite && resume) {
      throw new InputException(
          RunOption.OVERWRITE + " and " + RunOption.RESUME + " exclude each other");
    }
    try {
      if (Files.exists(folder) && !Files.isDirectory(folder)) {
        throw new InputException(RunOption.OUTPUT_DIR.with(folder) + " is a file, not a folder");
      }
      // Before the lock too, so that a folder that is refused stays as it is.
      check(folder, overwrite, resume);
      Path made = firstMissing(folder);
      FileOps.SYSTEM.createFolder(folder);
      OutputFolder output = new OutputFolder(folder, lock(folder), made);
      try {
        if (fold == null) {
          checkNoFold(folder);
        }
        ModelInstall.finish(folder);
        CheckpointStore.removeLeft(checkpoints(folder));
        check(folder, overwrite, resume);
        return output;
      } catch (IOException | RuntimeException e) {
        output.close();
        throw e;
      }
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder) + " cannot be prepared: " + describe(e), e);
    }
  }

  /** What a cross-validation notes of itself in its folder. */
  static Path crossValidation(Path folder) {
    return folder.resolve("cross_validation.json");
  }

  /** Where a fold of a cross-validation is at work. */
  static Path fold(Path folder, int number) {
    return folder.resolve("fold-" + number);
  }

  /** Whether a folder has a fold's name. */
  static boolean isNamedAsFold(Path folder) {
    return folder.getFileName() != null && folder.getFileName().toString().matches("fold-\\d+");
  }

  /**
   * Refuses to take part in somebody's cross-validation. It is asked with the lock of the folder
   * held, as a cross-validation that begins holds its own and looks at those of the folds: so one
   * of the two sees the other.
   */
  private static void checkNoFold(Path folder) throws IOException {
    Path parent = folder.toRealPath().getParent();
    if (parent == null || !isNamedAsFold(folder)) {
      return;
    }
    Optional<String> holder = FolderLock.holder(parent);
    if (holder.isPresent() || Files.exists(crossValidation(parent))) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder)
              + " is a fold of the cross-validation in "
              + parent
              + holder.map(who -> ", which is being written to by " + who).orElse("")
              + "; give another folder");
    }
  }

  /** Refuses folds that another run is at work in, before the first begins. */
  void checkFoldsFree() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(OutputFolder::isNamedAsFold).sorted().toList()) {
        Optional<String> holder = FolderLock.holder(file);
        if (holder.isPresent()) {
          throw new InputException(
              RunOption.OUTPUT_DIR.with(folder)
                  + ": "
                  + file
                  + ", where a fold is to go, is being written to by "
                  + holder.get()
                  + "; wait until it has ended, stop it, or give another folder");
        }
      }
    }
  }

  /** Refuses a folder that {@link #prepare} would refuse, and changes nothing. */
  static void checkFree(Path folder, boolean overwrite, boolean resume) {
    if (Files.exists(crossValidation(folder))) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder)
              + " holds a cross-validation; give another folder, or "
              + RunOption.K_FOLD
              + " to go on with it or to replace it");
    }
    try {
      check(folder, overwrite, resume);
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder) + " cannot be looked into: " + describe(e), e);
    }
  }

  private static Path firstMissing(Path folder) {
    Path missing = null;
    for (Path at = folder.toAbsolutePath(); at != null && !Files.exists(at); at = at.getParent()) {
      missing = at;
    }
    return missing;
  }

  /** The same as {@link #close} for who must end the process: what fails then is nothing to it. */
  void release() {
    try {
      giveBack();
    } catch (IOException e) {
      return; // it is in use, or has gone
    }
  }

  private void giveBack() throws IOException {
    lock.close();
    Path at = folder.toAbsolutePath();
    while (made != null && at.startsWith(made) && isEmpty(at)) {
      FileOps.SYSTEM.delete(at);
      at = at.getParent();
    }
  }

  private static boolean isEmpty(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return false;
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.findAny().isEmpty();
    }
  }

  private static FolderLock lock(Path folder) throws IOException {
    try {
      return FolderLock.take(folder);
    } catch (InputException e) {
      throw new InputException(RunOption.OUTPUT_DIR + " " + e.getMessage(), e);
    }
  }

  private static void check(Path folder, boolean overwrite, boolean resume) throws IOException {
    boolean model = ModelFolder.holdsModel(folder);
    boolean run = Files.exists(checkpoints(folder));
    if ((model || run) && !overwrite && !resume) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder)
              + " already holds a "
              + (model ? "model" : "run")
              + "; give "
              + RunOption.OVERWRITE
              + " to replace it, "
              + RunOption.RESUME
              + " to go on with it, or another folder");
    }
    if (resume && model && !run) {
      throw new InputException(
          RunOption.RESUME
              + ": the run in "
              + folder
              + " is finished, and its checkpoints are gone ("
              + RunOption.SAVE_LAST
              + " keeps one of the end). To train its model further, give "
              + RunOption.MODEL.with(folder)
              + " and another "
              + RunOption.OUTPUT_DIR
              + "; to train again, "
              + RunOption.OVERWRITE);
    }
  }

  /**
   * Removes what is left of an earlier run, but its model: that stays until the new one is ready.
   */
  void clear() {
    try {
      CheckpointStore.remove(checkpoints());
      FileOps.SYSTEM.delete(metricsFile());
    } catch (IOException e) {
      throw new UncheckedIOException(folder + " cannot be prepared: " + describe(e), e);
    }
  }

  Path folder() {
    return folder;
  }

  /** The same by its whole name without links, as far as that can be told. */
  Path realFolder() {
    try {
      return folder.toRealPath();
    } catch (IOException e) {
      return folder.toAbsolutePath().normalize();
    }
  }

  Path checkpoints() {
    return checkpoints(folder);
  }

  /** Where a run in that folder keeps checkpoints until it has ended. */
  static Path checkpoints(Path folder) {
    return folder.resolve("checkpoints");
  }

  /** What an earlier run's checkpoints take; this one's come in their place. */
  long bytesOfCheckpoints() throws IOException {
    return bytesOf(checkpoints());
  }

  /** What a folder takes; 0 where there is none. */
  static long bytesOf(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return 0;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
    }
  }

  Path runFile() {
    return runFile(folder);
  }

  /** What says how the run in that folder was made. */
  static Path runFile(Path folder) {
    return folder.resolve(RUN_FILE);
  }

  Path dataReportFile() {
    return folder.resolve("data_report.json");
  }

  Path metricsFile() {
    return folder.resolve(METRICS_FILE);
  }

  /** An I/O failure in words: many exceptions carry the file name alone. */
  static String describe(IOException e) {
    if (e instanceof JsonProcessingException json) {
      return JsonProblem.of(json);
    }
    String kind = e.getClass().getSimpleName().replace("Exception", "");
    return kind.equals("IO") || kind.equals("FileSystem")
        ? e.getMessage()
        : kind + " " + e.getMessage();
  }

  /**
   * Gives the folder back. Where nothing was written to it, it is as it was: one that was made for
   * the run goes.
   */
  @Override
  public void close() {
    try {
      giveBack();
    } catch (IOException e) {
      throw new UncheckedIOException(folder + " cannot be released: " + describe(e), e);
    }
  }
}
