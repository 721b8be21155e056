package dev.attune.data;

import dev.attune.data.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/** Collects what is found in one split. */
public final class Findings {
  private final String split;
  private final Dataset data;
  private final int maxLength;
  private final List<Finding> list;
  private final Map<Integer, String> fatalRows; // why, by index; null: nobody asks

  Findings(String split, Dataset data, int maxLength, List<Finding> list) {
    this(split, data, maxLength, list, null);
  }

  /**
   * @param fatalRows takes the reason of each row of a FATAL finding on rows, by its index
   */
  Findings(
      String split,
      Dataset data,
      int maxLength,
      List<Finding> list,
      Map<Integer, String> fatalRows) {
    this.fatalRows = fatalRows;
    this.split = split;
    this.data = data;
    this.maxLength = maxLength;
    this.list = list;
  }

  /** The examples. */
  public Dataset data() {
    return data;
  }

  /** Whether this is the training set. */
  public boolean isTraining() {
    return split.equals("train");
  }

  /** The length that examples are cut to; 0 where it is not known yet. */
  public int maxLength() {
    return maxLength;
  }

  /** Adds a finding on the split as a whole. */
  public void add(Severity severity, String code, String message) {
    list.add(new Finding(severity, code, split, message, List.of(), 0));
  }

  /**
   * Adds a finding on rows, if it concerns any.
   *
   * @param concerned by the index of an example
   * @param wording by the number of rows
   */
  public void rows(
      Severity severity, String code, IntPredicate concerned, IntFunction<String> wording) {
    List<Integer> rows = new ArrayList<>();
    int count = 0;
    for (int i = 0; i < data.size(); i++) {
      if (concerned.test(i)) {
        count++;
        if (fatalRows != null && severity == Severity.FATAL) {
          fatalRows.putIfAbsent(i, wording.apply(1));
        }
        if (rows.size() < Finding.ROWS_SHOWN) {
          rows.add(data.get(i).row());
        }
      }
    }
    if (count > 0) {
      list.add(new Finding(severity, code, split, wording.apply(count), List.copyOf(rows), count));
    }
  }

  /** The same, by the example itself. */
  public void examples(
      Severity severity, String code, Predicate<Example> concerned, IntFunction<String> wording) {
    rows(severity, code, i -> concerned.test(data.get(i)), wording);
  }
}
