package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.ModelInstall;
import dev.attune.memory.DeviceMemoryException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Saves a finished model, whose weights are in memory alone: where it cannot be saved, it waits. A
 * person who is there is asked, for as long as it takes; where nobody is, it is tried again and
 * again for a stated time.
 */
final class ModelSave {
  private static final long RETRY_MILLIS = 5_000;
  private static final long SLICE_MILLIS = 200;

  private final OutputFolder output;
  private final long modelBytes;
  private final double retryMinutes;
  private final RunListener listener;
  private final BooleanSupplier stopRequested;
  private String told = ""; // of what is wrong, since somebody last answered

  /**
   * @param modelBytes about what the model takes
   * @param retryMinutes how long to try where nobody is asked; 0: once, whoever is there
   */
  ModelSave(
      OutputFolder output,
      long modelBytes,
      double retryMinutes,
      RunListener listener,
      BooleanSupplier stopRequested) {
    this.output = output;
    this.modelBytes = modelBytes;
    this.retryMinutes = retryMinutes;
    this.listener = listener;
    this.stopRequested = stopRequested;
  }

  /**
   * Saves.
   *
   * @return the folder: the run's, or the one that a person gave
   * @throws UncheckedIOException if it could not be saved in time; what was there is unchanged
   * @throws InterruptedCallException if it was told to stop before it could
   */
  Path save(FinishedModel model) {
    Path folder = output.folder();
    long begin = System.nanoTime();
    while (true) {
      Exception failure = failure(model, folder);
      if (failure == null) {
        return folder;
      }
      String cause = cause(folder, failure);
      String problem = cause + missing(folder);
      boolean isOver = (System.nanoTime() - begin) * 1e-9 >= 60 * retryMinutes;
      if (retryMinutes == 0 || isOver && !listener.isAttended()) {
        throw new UncheckedIOException(problem + wayOut(), ioFailure(failure));
      }
      // Once, unless something else is wrong now, or somebody waits for an answer.
      if (!cause.equals(told)) {
        listener.onTrouble(
            problem
                + ". Its weights are in memory: "
                + (listener.isAttended()
                    ? "make room and press Enter, or type another folder"
                    : "it is tried again every "
                        + RETRY_MILLIS / 1000
                        + " seconds for "
                        + (retryMinutes == Math.rint(retryMinutes)
                            ? Long.toString((long) retryMinutes)
                            : Double.toString(retryMinutes))
                        + " minutes ("
                        + RunOption.SAVE_RETRY_MINUTES
                        + ")"));
        told = cause;
      }
      folder = next(folder);
    }
  }

  /** Null: it is saved. */
  private Exception failure(FinishedModel model, Path folder) {
    try {
      if (folder.equals(output.folder())) {
        model.install(folder);
      } else {
        try (OutputFolder other = OutputFolder.prepare(folder, null, false, false)) {
          model.install(other.folder());
        }
      }
      return null;
    } catch (IOException | UncheckedIOException | InputException e) {
      return e;
    }
  }

  /** Waits for an answer or for the next try; returns where that is to be. */
  private Path next(Path folder) {
    try {
      for (long waited = 0; waited < RETRY_MILLIS; waited += SLICE_MILLIS) {
        if (stopRequested.getAsBoolean()) {
          throw new InterruptedCallException(
              "stopped while the finished model waited for a place: it was not saved" + wayOut());
        }
        Optional<String> answer = listener.answer(SLICE_MILLIS);
        if (answer.isPresent()) {
          told = "";
          String text = answer.get().strip();
          return text.isEmpty() ? folder : folder(text, folder);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedCallException(
          "interrupted while the finished model waited for a place: it was not saved" + wayOut());
    }
    return folder;
  }

  private Path folder(String typed, Path otherwise) {
    boolean isOfHome = typed.equals("~") || typed.startsWith("~/");
    try {
      return Path.of(isOfHome ? System.getProperty("user.home") + typed.substring(1) : typed);
    } catch (InvalidPathException e) {
      listener.onNote("'" + typed + "' is no path here: " + e.getReason());
      return otherwise;
    }
  }

  private static IOException ioFailure(Exception failure) {
    if (failure instanceof IOException io) {
      return io;
    }
    return failure.getCause() instanceof IOException io ? io : new IOException(failure);
  }

  private static String cause(Path folder, Exception failure) {
    String words =
        failure instanceof IOException io ? OutputFolder.describe(io) : failure.getMessage();
    return "the model could not be saved in " + folder + ": " + words;
  }

  /** How much room is missing; nothing where that is not what is. */
  private String missing(Path folder) {
    Path there = folder.toAbsolutePath();
    while (there != null && !Files.exists(there)) {
      there = there.getParent();
    }
    try {
      long usable = there == null ? modelBytes : Files.getFileStore(there).getUsableSpace();
      return usable >= modelBytes
          ? ""
          : " (it takes about "
              + DeviceMemoryException.size(modelBytes)
              + ", "
              + DeviceMemoryException.size(modelBytes - usable)
              + " more than is left there)";
    } catch (IOException e) {
      return ""; // the failure itself says enough
    }
  }

  private String wayOut() {
    if (ModelInstall.isUnfinished(output.folder())) {
      return ". The new model is complete there, but not all of its files have come to their places:"
          + " free some space, and the next command that reads the folder finishes that";
    }
    return ". What was there is unchanged; free some space and train again"
        + (Files.exists(output.checkpoints())
            ? ", with " + RunOption.RESUME + " from the last checkpoint"
            : " (" + RunOption.SAVE_STEPS + " would have left a checkpoint to resume from)");
  }
}
