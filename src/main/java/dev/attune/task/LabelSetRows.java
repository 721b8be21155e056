package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.BitSet;
import java.util.List;

/**
 * All pairs of rows of any number of labels: those that share one are alike, and so is a row with
 * itself, unless it has none. They are held, so that rows are few.
 */
final class LabelSetRows implements RowPairs {
  private static final int MOST = 4_000;

  private final long[] alike; // first and second row of each, in one number
  private final long[] others;

  /**
   * @param labels of the rows (n)
   * @throws InputException if there are too many rows
   */
  LabelSetRows(List<BitSet> labels) {
    int rows = labels.size();
    if (rows > MOST) {
      throw new InputException(
          String.format(
              "%,d training rows of several labels are more than the %,d whose pairs can be listed;"
                  + " give %s, or fewer rows",
              rows, MOST, Term.SAMPLING_STRATEGY.of(ContrastivePairs.Strategy.BATCH.option())));
    }
    long[] found = new long[rows * (rows + 1) / 2];
    int alikeOnes = 0;
    int otherOnes = 0;
    for (int i = 0; i < rows; i++) {
      for (int j = i; j < rows; j++) {
        long pair = (long) i << Integer.SIZE | j;
        if (labels.get(i).intersects(labels.get(j))) {
          found[alikeOnes++] = pair;
        } else {
          found[found.length - ++otherOnes] = pair;
        }
      }
    }
    alike = new long[alikeOnes];
    others = new long[otherOnes];
    System.arraycopy(found, 0, alike, 0, alikeOnes);
    for (int i = 0; i < otherOnes; i++) {
      others[i] = found[found.length - 1 - i];
    }
  }

  @Override
  public long alike() {
    return alike.length;
  }

  @Override
  public long others() {
    return others.length;
  }

  @Override
  public int[] pair(boolean alike, long number) {
    long pair = (alike ? this.alike : others)[(int) number];
    return new int[] {(int) (pair >>> Integer.SIZE), (int) pair};
  }
}
