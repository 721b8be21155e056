package dev.attune.task;

import java.util.Arrays;

/**
 * All pairs of labelled rows, of which none is held: those of one label, among them a row with
 * itself, and those of two, each kind numbered from 0 by the first row, then the second.
 */
final class LabelledRows implements RowPairs {
  private final int[] labels;
  private final int[][] ofLabel; // rows of each label, in order
  private final int[] place; // of a row among those of its label
  private final long[] alikeBefore; // pairs of one label whose first row is an earlier one (n+1)
  private final long[] othersBefore; // likewise of two labels

  /**
   * @param labels of the rows (n), from 0 on
   */
  LabelledRows(int[] labels) {
    this.labels = labels;
    int[] counts = new int[Arrays.stream(labels).max().orElse(-1) + 1];
    place = new int[labels.length];
    for (int row = 0; row < labels.length; row++) {
      place[row] = counts[labels[row]]++;
    }
    ofLabel = new int[counts.length][];
    Arrays.setAll(ofLabel, label -> new int[counts[label]]);
    alikeBefore = new long[labels.length + 1];
    othersBefore = new long[labels.length + 1];
    for (int row = 0; row < labels.length; row++) {
      ofLabel[labels[row]][place[row]] = row;
      int alike = counts[labels[row]] - place[row];
      alikeBefore[row + 1] = alikeBefore[row] + alike;
      othersBefore[row + 1] = othersBefore[row] + labels.length - row - alike;
    }
  }

  @Override
  public long alike() {
    return alikeBefore[labels.length];
  }

  @Override
  public long others() {
    return othersBefore[labels.length];
  }

  @Override
  public int[] pair(boolean alike, long number) {
    long[] before = alike ? alikeBefore : othersBefore;
    int first = firstRow(before, number);
    int rest = (int) (number - before[first]);
    int[] same = ofLabel[labels[first]];
    int second = alike ? same[place[first] + rest] : other(first, same, rest);
    return new int[] {first, second};
  }

  /** The last row before which there are at most {@code number} pairs. */
  private static int firstRow(long[] before, long number) {
    int low = 0;
    int high = before.length - 1;
    while (high - low > 1) {
      int middle = (low + high) >>> 1;
      if (before[middle] <= number) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Row number {@code rest}, from 0, of those behind {@code first} that have another label. */
  private int other(int first, int[] same, int rest) {
    int low = place[first];
    int high = same.length;
    while (high - low > 1) { // the last one of the label before which there are at most so many
      int middle = (low + high) >>> 1;
      if (same[middle] - first - (middle - place[first]) <= rest) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return first + 1 + rest + (low - place[first]);
  }
}
