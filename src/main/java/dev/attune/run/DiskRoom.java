package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.memory.DeviceMemoryException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a run will write, so that a disk that is too small is found before the first step and not
 * after the last.
 *
 * @param modelBytes of a model or adapter at the end
 * @param models that are left: one, but for the folds of a cross-validation
 * @param checkpointBytes of all checkpoints that are kept at a time, and one being written
 * @param bestBytes of the best weights so far
 */
record DiskRoom(long modelBytes, int models, long checkpointBytes, long bestBytes) {
  /** Master weights and the two moments of AdamW, f32. */
  private static final int BYTES_OF_STATE = 3 * Float.BYTES;

  /** Two copies, each replaced by a new one beside it; one more for each checkpoint's own best. */
  private static final int COPIES_OF_BEST = 3;

  /**
   * Of a run.
   *
   * @param parameters trained ones
   * @param all of the model where all are saved at the end; else 0
   * @param models that this run and those after it leave
   * @param savesOnTheWay whether there are checkpoints beside that of an interruption
   * @param savesLast whether the end is one of them
   * @param kept checkpoints that are kept
   * @param keepsBest whether the best weights are
   */
  static DiskRoom of(
      long parameters,
      long all,
      int models,
      boolean savesOnTheWay,
      boolean savesLast,
      int kept,
      boolean keepsBest) {
    long checkpoint = parameters * BYTES_OF_STATE;
    return new DiskRoom(
        Math.max(parameters, all) * Float.BYTES,
        models,
        savesOnTheWay ? (kept + 1L) * checkpoint : savesLast ? checkpoint : 0,
        keepsBest ? (COPIES_OF_BEST + (savesOnTheWay ? kept : 0)) * parameters * Float.BYTES : 0);
  }

  /**
   * Refuses a folder whose disk has not that much left.
   *
   * @param freed bytes of an earlier run there that this one replaces on its way
   */
  void check(Path folder, long freed) throws IOException {
    checkUsable(folder, Files.getFileStore(folder).getUsableSpace() + freed);
  }

  void checkUsable(Path folder, long usableBytes) {
    long needed = models * modelBytes + checkpointBytes + bestBytes;
    String parts =
        Stream.of(
                part(
                    models * modelBytes,
                    models == 1
                        ? " for the model"
                        : " for the " + models + " models of " + RunOption.KEEP_FOLD_MODELS),
                part(
                    checkpointBytes,
                    " for checkpoints: "
                        + RunOption.SAVE_TOTAL_LIMIT
                        + " and one more of those of "
                        + RunOption.SAVE_STEPS
                        + ", or that of "
                        + RunOption.SAVE_LAST),
                part(bestBytes, " for the best weights on the way"))
            .flatMap(Optional::stream)
            .collect(Collectors.joining(", "));
    if (usableBytes < needed) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder)
              + " is on a disk with "
              + DeviceMemoryException.size(usableBytes)
              + " left; this run writes about "
              + DeviceMemoryException.size(needed)
              + " ("
              + parts
              + "). Make room, or give another folder");
    }
  }

  private static Optional<String> part(long bytes, String words) {
    return bytes == 0 ? Optional.empty() : Optional.of(DeviceMemoryException.size(bytes) + words);
  }
}
