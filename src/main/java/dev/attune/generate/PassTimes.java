package dev.attune.generate;

/**
 * How long passes that add rows to texts take, by their number: measured as they are made. Those of
 * a number that none had lately are taken to be like one of another number.
 */
class PassTimes {
  /** After so many passes a time counts no more: texts have become longer, others have come. */
  private static final int LASTING = 256;

  /** Weight of the newest time. */
  private static final double NEWEST = 0.25;

  /** No pass counts for more than so many times what was expected: something else was going on. */
  private static final double MOST = 2;

  /** Of a group of rows, what each row adds to the reading of the weights: a guess. */
  private static final double ROW = 0.06;

  private final int group; // rows that are multiplied at once
  private final double[] nanos = new double[Decoding.ADVANCED + 1];
  private final long[] measured = new long[Decoding.ADVANCED + 1]; // in which pass; 0: in none
  private long passes;
  private int last; // rows of the last pass

  /**
   * @param group rows for which weights are read once
   */
  PassTimes(int group) {
    this.group = group;
  }

  /** Nanoseconds that a pass of so many rows is expected to take; 1 a group while none was made. */
  double of(int rows) {
    if (isKnown(rows)) {
      return nanos[rows];
    }
    return last == 0 ? shape(rows) : nanos[last] * shape(rows) / shape(last);
  }

  /** A pass was made. */
  void add(int rows, long taken) {
    if (passes == 0) {
      nanos[rows] = taken;
    } else {
      double expected = of(rows);
      nanos[rows] = expected + NEWEST * (Math.min(taken, MOST * expected) - expected);
    }
    measured[rows] = ++passes;
    last = rows;
  }

  private boolean isKnown(int rows) {
    return measured[rows] > 0 && passes - measured[rows] < LASTING;
  }

  /** Weights are read once for a group of rows. */
  private double shape(int rows) {
    return (rows + group - 1) / group + ROW * rows;
  }
}
