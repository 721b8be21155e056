package dev.attune.track;

import java.io.IOException;

/**
 * A place that hears of a run: the store, an event file, a server. Called by one thread, which is
 * not the training thread. What fails is tried again with the same and more, so a call that was
 * made twice must do no harm.
 */
public interface RunSink extends AutoCloseable {
  /** What messages call it: "the run store runs". */
  String name();

  /** The run begins; called until it succeeds. */
  void begin(RunStart start) throws IOException;

  /** What is new; now and then nothing is, but that the run is still there. */
  void write(RunUpdate update) throws IOException;

  /** For how long the end of a run waits for it at most. */
  default long endMillis() {
    return 20_000;
  }

  /** What can be done where it did not hear all, as the end of a message; empty: nothing. */
  default String remedy() {
    return "";
  }

  /**
   * Nothing follows.
   *
   * @param unwritten what {@link #write} could not take; null: nothing
   */
  default void close(RunUpdate unwritten) throws IOException {
    close();
  }

  @Override
  default void close() throws IOException {}
}
