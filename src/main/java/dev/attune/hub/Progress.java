package dev.attune.hub;

/**
 * Where a slow first use says what it is doing, on the thread that waits for it. What is thrown
 * here ends the work; what has been fetched by then is kept.
 */
@FunctionalInterface
public interface Progress {
  /** A whole sentence. */
  void report(String message);

  /**
   * How far a transfer is; heard several times a second while one goes on.
   *
   * @param doneBytes those that an earlier try had fetched among them
   * @param totalBytes of all files
   * @param bytesPerSecond over the last seconds
   */
  default void transferred(long doneBytes, long totalBytes, double bytesPerSecond) {}

  /** Says nothing. */
  static Progress silent() {
    return message -> {};
  }
}
