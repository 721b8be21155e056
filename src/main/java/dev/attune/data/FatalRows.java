package dev.attune.data;

import dev.attune.core.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Rows that a task can make nothing of, so that each would stop a run. */
public final class FatalRows {
  private FatalRows() {}

  /** Why each such row is one, by its index. */
  private static Map<Integer, String> reasons(Dataset data, TargetChecks checks) {
    Map<Integer, String> reasons = new TreeMap<>();
    Findings found = new Findings("", data, 0, new ArrayList<>(), reasons);
    checks.examine(found, checks.classCounts(data));
    found.finish();
    return reasons;
  }

  /**
   * Some rows of a stream without them, which may be none.
   *
   * @param skips whether they are left out
   * @throws InputException at the first, where they are not
   */
  public static Dataset leftOut(Dataset some, TargetChecks checks, boolean skips) {
    Map<Integer, String> reasons = reasons(some, checks);
    if (!skips && !reasons.isEmpty()) {
      int first = reasons.keySet().iterator().next();
      throw new InputException(some.where(some.get(first)) + ": " + reasons.get(first));
    }
    return reasons.isEmpty()
        ? some
        : some.chosen(
            IntStream.range(0, some.size()).filter(i -> !reasons.containsKey(i)).toArray());
  }

  /** The data without them; what is left out is counted, with the reason of the first. */
  public static Dataset leftOut(Dataset data, TargetChecks checks) {
    Map<Integer, String> reasons = reasons(data, checks);
    if (reasons.isEmpty() || reasons.size() == data.size()) {
      return data; // where no row is left, the report says why
    }
    int[] kept = new int[data.size() - reasons.size()];
    int count = 0;
    List<Integer> rows = new ArrayList<>();
    List<String> shown = new ArrayList<>();
    for (int i = 0; i < data.size(); i++) {
      String reason = reasons.get(i);
      if (reason == null) {
        kept[count++] = i;
      } else {
        if (rows.size() < Finding.ROWS_SHOWN) {
          rows.add(data.get(i).row());
          shown.add(data.where(data.get(i)) + ": " + reason);
        }
      }
    }
    return data.chosen(kept).with(BadRows.finding("row", reasons.size(), rows, shown));
  }
}
