package dev.attune.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Rows that a task can make nothing of, so that each would stop a run. */
public final class FatalRows {
  private FatalRows() {}

  /** The data without them; what is left out is counted, with the reason of the first. */
  public static Dataset leftOut(Dataset data, TargetChecks checks) {
    Map<Integer, String> reasons = new TreeMap<>(); // by the index of a row
    Findings found = new Findings("", data, 0, new ArrayList<>(), reasons);
    checks.examine(found, checks.classCounts(data));
    found.finish();
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
