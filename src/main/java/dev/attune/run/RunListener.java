package dev.attune.run;

import dev.attune.data.DataReport;
import dev.attune.train.TrainListener;

/** Hears of a run's stages as well as of its steps. */
public interface RunListener extends TrainListener {
  /** A message in the words of the face that listens; the command line's unless it says others. */
  default String worded(String message) {
    return RunOption.worded(message);
  }

  /** What the run is about to do or has found: one line, to be {@link #worded}. */
  void onNote(String note);

  /**
   * How far it is with fetching what is not on this machine; heard several times a second. What is
   * thrown here ends the run, and what has been fetched is kept.
   */
  default void onTransfer(long doneBytes, long totalBytes, double bytesPerSecond) {}

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
