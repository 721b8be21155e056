package dev.attune.run;

import dev.attune.core.Count;
import dev.attune.core.Interruption;
import dev.attune.data.DataReport;
import dev.attune.train.TrainListener;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** Hears of a run's stages as well as of its steps. */
public interface RunListener extends TrainListener {
  /** A message in the words of the face that listens; the command line's unless it says others. */
  default String worded(String message) {
    return RunOption.worded(message);
  }

  /** What went wrong and does not end the run, though somebody should see to it. */
  default void onTrouble(String note) {
    onNote(note);
  }

  @Override
  default void onCheckpointFailed(long step, UncheckedIOException failure) {
    onTrouble("step " + step + ": " + failure.getMessage() + "; the run goes on to the next one");
  }

  @Override
  default void onData(String finding) {
    onNote(finding);
  }

  /** Said when they double, lest a run of them fills the terminal. */
  @Override
  default void onSkipped(Step step, long skipped) {
    if (Long.bitCount(skipped) == 1) {
      onTrouble(
          String.format(
              Locale.ROOT,
              "step %d was skipped: its loss is %s and its gradient norm %s; %s so far",
              step.step(),
              step.loss(),
              step.gradNorm(),
              Count.many(skipped, "step")));
    }
  }

  @Override
  default void onLossSpike(Step step, double usual) {
    onTrouble(
        String.format(
            Locale.ROOT,
            "step %d: the loss leaps to %.4g, where %.4g was usual. If that comes again, look at the"
                + " rows of this batch, or try a lower %s, more warmup or a smaller %s",
            step.step(),
            step.loss(),
            usual,
            RunOption.LEARNING_RATE,
            RunOption.MAX_GRAD_NORM));
  }

  /**
   * The run is about to be prepared, on this thread.
   *
   * @param preparing ends it at once, wherever it reads, until {@link #onPrepared}
   */
  default void onBegins(Interruption preparing) {}

  /**
   * A folder was taken for the run, and nothing changed in it.
   *
   * @param release gives it back as it was, for who must end the process before {@link #onPrepared}
   */
  default void onReserved(Runnable release) {}

  /**
   * One of several runs is about to be prepared: until {@link #onPrepared} there is nothing to save
   * again, but what was there before is kept.
   *
   * @param left what is left where the process ends there, and how to go on: one line, to be {@link
   *     #worded}
   */
  default void onPreparing(String left) {}

  /**
   * What the run begins from is loaded, and nothing is trained yet: what is thrown here ends the
   * run, and leaves what was saved of it as it is.
   *
   * @param content of its base, as {@link TrainEstimate#baseContent} has it
   */
  default void onBase(String content) {}

  /** Model and data are loaded: from here on a request to stop is seen. */
  default void onPrepared() {}

  /** One of several runs has ended or failed, whatever it was at; heard on its thread. */
  default void onEnded() {}

  /** Whether a person is there to be asked: see {@link #answer}. */
  default boolean isAttended() {
    return false;
  }

  /**
   * Waits for what a person says to a note that asks for something, where one {@link #isAttended}.
   *
   * @param atMostMillis to wait
   * @return what was typed, maybe nothing; empty: nobody has
   */
  default Optional<String> answer(long atMostMillis) throws InterruptedException {
    Thread.sleep(atMostMillis);
    return Optional.empty();
  }

  /**
   * Where a checkpoint is to be left as a model too, which is asked once the checkpoint is safe, or
   * is being saved from a copy; empty: nowhere. Tasks that are fitted to the data at the end have
   * no such models.
   */
  default Optional<Path> modelOfCheckpoint(long step) {
    return Optional.empty();
  }

  /** A checkpoint's model is safe in the folder that {@link #modelOfCheckpoint} gave. */
  default void onCheckpointModel(long step, Path folder) {}

  /** What the run is about to do or has found: one line, to be {@link #worded}. */
  void onNote(String note);

  /**
   * How far it is with fetching what is not on this machine; heard several times a second. What is
   * thrown here ends the run, and what has been fetched is kept.
   */
  default void onTransfer(long doneBytes, long totalBytes, double bytesPerSecond) {}

  /** How far it is with tokenising training data; heard after some rows each, and at the end. */
  default void onTokenised(int doneRows, int totalRows) {}

  /** The report on the data, before the first step. */
  void onDataReport(DataReport report);

  /**
   * The model is loaded and training is about to begin.
   *
   * @param model where it came from
   * @param parameters number of trained parameters
   * @param backend one line: device and threads
   * @param precision "bf16" or "fp32"
   */
  void onModel(String model, long parameters, String backend, String precision);
}
