package dev.attune.generate;

import dev.attune.core.Check;
import java.util.Map;
import java.util.TreeMap;

/**
 * Rows of a cache that are lent in ranges. Of the free ranges that are long enough the shortest is
 * taken, so that long ones stay for long texts.
 */
final class RowRanges {
  private final TreeMap<Integer, Integer> free = new TreeMap<>(); // first row to length

  RowRanges(int rows) {
    free.put(0, rows);
  }

  /** Takes so many rows; the first of them, or -1 where no range is as long. */
  int take(int count) {
    Map.Entry<Integer, Integer> best = null;
    for (Map.Entry<Integer, Integer> range : free.entrySet()) {
      if (range.getValue() >= count && (best == null || range.getValue() < best.getValue())) {
        best = range;
      }
    }
    if (best == null) {
      return -1;
    }
    int first = best.getKey();
    int length = best.getValue();
    free.remove(first);
    if (length > count) {
      free.put(first + count, length - count);
    }
    return first;
  }

  /** Gives back rows that were taken. */
  void giveBack(int first, int count) {
    Map.Entry<Integer, Integer> before = free.lowerEntry(first);
    Map.Entry<Integer, Integer> after = free.higherEntry(first);
    Check.argument(
        (before == null || before.getKey() + before.getValue() <= first)
            && (after == null || first + count <= after.getKey()),
        "rows %d to %d are free already",
        first,
        first + count);
    int begin = first;
    int end = first + count;
    if (before != null && before.getKey() + before.getValue() == first) {
      begin = before.getKey();
    }
    if (after != null && after.getKey() == end) {
      end += after.getValue();
      free.remove(after.getKey());
    }
    free.put(begin, end - begin);
  }
}
