package dev.attune.kernels;

/** Records the work of a device that recurs, to be launched as one ever after. */
public interface Recorder {
  /** Recorded work. */
  interface Recording extends AutoCloseable {
    /** Enqueues all of it, with the addresses and numbers that it was recorded with. */
    void launch();

    @Override
    void close();
  }

  /**
   * Records the work that {@code body} enqueues, which does not run. It must neither wait nor
   * transfer nor allocate, so it must have run before with the same shapes.
   */
  Recording record(Runnable body);
}
