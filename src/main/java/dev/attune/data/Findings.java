package dev.attune.data;

import dev.attune.core.InterruptedCallException;
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
  private final List<Pending> pending = new ArrayList<>();

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

  /** A finding that is one already, or one on rows that may concern none. */
  private static final class Pending {
    final Finding made; // null: on rows
    final Severity severity;
    final String code;
    final IntPredicate byIndex; // null: by the example
    final Predicate<Example> byExample;
    final IntFunction<String> wording;
    final List<Integer> rows = new ArrayList<>();
    int count;

    Pending(Finding made) {
      this(made, null, null, null, null, null);
    }

    Pending(
        Finding made,
        Severity severity,
        String code,
        IntPredicate byIndex,
        Predicate<Example> byExample,
        IntFunction<String> wording) {
      this.made = made;
      this.severity = severity;
      this.code = code;
      this.byIndex = byIndex;
      this.byExample = byExample;
      this.wording = wording;
    }
  }

  /** Adds a finding on the split as a whole. */
  public void add(Severity severity, String code, String message) {
    pending.add(new Pending(new Finding(severity, code, split, message, List.of(), 0)));
  }

  /**
   * Adds a finding on rows, if it concerns any. Rows are looked at by {@link #finish}.
   *
   * @param concerned by the index of an example
   * @param wording by the number of rows
   */
  public void rows(
      Severity severity, String code, IntPredicate concerned, IntFunction<String> wording) {
    pending.add(new Pending(null, severity, code, concerned, null, wording));
  }

  /** The same, by the example itself. */
  public void examples(
      Severity severity, String code, Predicate<Example> concerned, IntFunction<String> wording) {
    pending.add(new Pending(null, severity, code, null, concerned, wording));
  }

  /** Looks at every row once, for all that was asked of rows, and gives what was found. */
  void finish() {
    List<Pending> byIndex = pending.stream().filter(p -> p.byIndex != null).toList();
    List<Pending> byExample = pending.stream().filter(p -> p.byExample != null).toList();
    for (int i = 0; !(byIndex.isEmpty() && byExample.isEmpty()) && i < data.size(); i++) {
      InterruptedCallException.check("looking at " + data.source());
      Example example = byExample.isEmpty() ? null : data.get(i);
      for (Pending each : pending) {
        boolean isConcerned =
            each.byIndex != null
                ? each.byIndex.test(i)
                : each.byExample != null && each.byExample.test(example);
        if (isConcerned) {
          note(each, i, example == null ? data.get(i) : example);
        }
      }
    }
    for (Pending each : pending) {
      if (each.made != null) {
        list.add(each.made);
      } else if (each.count > 0) {
        list.add(
            new Finding(
                each.severity,
                each.code,
                split,
                each.wording.apply(each.count),
                List.copyOf(each.rows),
                each.count));
      }
    }
    pending.clear();
  }

  private void note(Pending concerned, int index, Example example) {
    concerned.count++;
    if (fatalRows != null && concerned.severity == Severity.FATAL) {
      fatalRows.putIfAbsent(index, concerned.wording.apply(1));
    }
    if (concerned.rows.size() < Finding.ROWS_SHOWN) {
      concerned.rows.add(example.row());
    }
  }
}
