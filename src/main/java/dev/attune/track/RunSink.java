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
