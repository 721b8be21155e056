package dev.attune.batch;

import dev.attune.core.Check;

/**
 * How the targets of a dataset lie in memory. What they mean is the business of the task that wrote
 * them.
 *
 * @param per what has a target of its own
 * @param isReal whether targets are f32 rather than i32
 * @param width values of one target
 */
public record TargetLayout(Per per, boolean isReal, int width) {
  /** What a target belongs to. */
  public enum Per {
    /** There are none: prediction, embedding. */
    NOTHING,
    /** A sequence. */
    SEQUENCE,
    /** A row, most of which have one. */
    ROW,
    /** A row, few of which may have one: a device sees those rows alone. */
    LEARNED_ROW
  }

  /** No targets. */
  public static final TargetLayout NONE = new TargetLayout(Per.NOTHING, false, 0);

  /** One i32 per sequence (B). */
  public static final TargetLayout LABEL = labels(1);

  /** One f32 per sequence (B). */
  public static final TargetLayout NUMBER = numbers(1);

  /** One i32 per row (N); {@link EncodedDataset#IGNORED} where nothing is learned. */
  public static final TargetLayout ROWS = new TargetLayout(Per.ROW, false, 1);

  /** One f32 per row (N). */
  public static final TargetLayout NUMBERS_OF_ROWS = new TargetLayout(Per.ROW, true, 1);

  /** As {@link #ROWS} where few rows are learned. */
  public static final TargetLayout LEARNED_ROWS = new TargetLayout(Per.LEARNED_ROW, false, 1);

  public TargetLayout {
    Check.argument(width >= (per == Per.NOTHING ? 0 : 1), "targets of %d values", width);
  }

  /** So many i32 per sequence (B,width). */
  public static TargetLayout labels(int width) {
    return new TargetLayout(Per.SEQUENCE, false, width);
  }

  /** So many f32 per sequence (B,width). */
  public static TargetLayout numbers(int width) {
    return new TargetLayout(Per.SEQUENCE, true, width);
  }

  /** Whether rows have targets rather than sequences. */
  public boolean isPerRow() {
    return per == Per.ROW || per == Per.LEARNED_ROW;
  }

  boolean hasLabels() {
    return per != Per.NOTHING && !isReal;
  }

  /** Values of the targets of so many sequences and rows. */
  int values(int sequences, int rows) {
    return switch (per) {
      case NOTHING -> 0;
      case SEQUENCE -> sequences * width;
      case ROW, LEARNED_ROW -> rows;
    };
  }
}
