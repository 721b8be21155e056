package dev.attune.train;

import java.util.Arrays;
import java.util.OptionalDouble;

/**
 * Notices a loss that leaps far above those before: beyond the median of a window of steps by many
 * times their median deviation from it, which single batches do not move.
 */
final class LossSpikes {
  private static final int WINDOW = 64;

  /** Before so many steps nothing is usual yet. */
  private static final int LEAST = 24;

  /** Of the median deviation; 10 of them are almost 7 standard deviations of a normal loss. */
  private static final double DEVIATIONS = 10;

  /** A loss that hardly varies leaps only where it is twice as large, too. */
  private static final double TIMES = 2;

  private final double[] losses = new double[WINDOW];
  private long count;
  private long quietUntil;

  /** Takes the loss of a step; returns what is usual where this one is a spike. */
  OptionalDouble add(double loss) {
    double usual = Double.NaN;
    if (count >= LEAST && count >= quietUntil && isFarAboveHalf(loss)) {
      double[] sorted = Arrays.copyOf(losses, (int) Math.min(count, WINDOW));
      double median = median(sorted);
      double[] deviations = Arrays.stream(sorted).map(x -> Math.abs(x - median)).toArray();
      boolean leaps = loss - median > DEVIATIONS * median(deviations);
      if (leaps && loss > TIMES * Math.abs(median)) {
        usual = median;
        quietUntil = count + WINDOW;
      }
    }
    losses[(int) (count++ % WINDOW)] = loss;
    return Double.isNaN(usual) ? OptionalDouble.empty() : OptionalDouble.of(usual);
  }

  /**
   * Whether a loss is more than so many times what half of the window and one have at most: without
   * that there is no need to sort, at every step.
   */
  private boolean isFarAboveHalf(double loss) {
    int known = (int) Math.min(count, WINDOW);
    int below = 0;
    for (int i = 0; i < known; i++) {
      below += TIMES * losses[i] < loss ? 1 : 0;
    }
    return below > known / 2;
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
