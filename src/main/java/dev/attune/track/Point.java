package dev.attune.track;

/**
 * One number of a run.
 *
 * @param series what it is: {@code train/loss}, {@code eval/accuracy}, {@code test/accuracy},
 *     {@code system/rss_bytes}
 * @param x the step; of {@code system/} series the seconds since the run was begun
 * @param timeMillis when, since 1970
 * @param value NaN where it is undefined
 */
public record Point(String series, long x, long timeMillis, double value) {
  /** What training steps measure. */
  public static final String TRAIN = "train/";

  /** Metrics on validation data. */
  public static final String EVAL = "eval/";

  /** Metrics on test data. */
  public static final String TEST = "test/";

  /** What the process uses. */
  public static final String SYSTEM = "system/";

  /** Whether it belongs to a step rather than to a moment. */
  boolean isOfStep() {
    return !series.startsWith(SYSTEM);
  }
}
