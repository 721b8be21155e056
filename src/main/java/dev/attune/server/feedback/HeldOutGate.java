package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * Whether a candidate may serve: on held-out old rows it may have at most so many fewer right than
 * the first version as the tolerance allows, and on held-out corrections none fewer than the
 * version that it is to replace. Compared are counts on the same rows, as they are: with few rows
 * one row decides, and then rather against the candidate. How far the difference may be chance is
 * reported beside it: the one-sided p-value of the sign test on the rows that differ.
 *
 * @param old held-out rows of the old data
 * @param recent held-out corrections
 */
record HeldOutGate(List<LabelledText> old, List<LabelledText> recent) {
  /** Keeps the time that judging takes within bounds. */
  static final int MOST_ROWS = 2000;

  HeldOutGate {
    old = first(old);
    recent = first(recent);
  }

  private static List<LabelledText> first(List<LabelledText> rows) {
    return List.copyOf(rows.subList(0, Math.min(rows.size(), MOST_ROWS)));
  }

  /**
   * What was found.
   *
   * @param problem why the candidate may not serve; null: it may
   */
  record Verdict(String problem, ObjectNode report) {}

  /** Two versions on the same rows. */
  private record Comparison(int rows, int before, int now, int lost, int won) {
    static Comparison of(List<LabelledText> rows, List<String> before, List<String> now) {
      int[] counts = new int[4]; // neither, before alone, now alone, both
      for (int i = 0; i < rows.size(); i++) {
        String label = rows.get(i).label();
        counts[(label.equals(before.get(i)) ? 1 : 0) + (label.equals(now.get(i)) ? 2 : 0)]++;
      }
      return new Comparison(
          rows.size(), counts[1] + counts[3], counts[2] + counts[3], counts[1], counts[2]);
    }

    ObjectNode toJson(String name) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("rows", rows);
      json.put(name + "_accuracy", rows == 0 ? null : (Double) ((double) before / rows));
      json.put("accuracy", rows == 0 ? null : (Double) ((double) now / rows));
      json.put("lost_rows", lost);
      json.put("won_rows", won);
      return json;
    }
  }

  /**
   * Judges a candidate.
   *
   * @param base of all three, where they are adapters; else null
   * @param first the folder of the first version
   * @param parent of the version that it is to replace
   */
  Verdict judge(Judge judge, Path base, Path first, Path parent, Path candidate, double tolerance) {
    Comparison onOld =
        Comparison.of(old, judge.labels(first, base, old), judge.labels(candidate, base, old));
    Comparison onNew =
        Comparison.of(
            recent, judge.labels(parent, base, recent), judge.labels(candidate, base, recent));
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.set("old", onOld.toJson("first"));
    report.withObject("/old").put("tolerance", tolerance);
    report.withObject("/old").put("p_worse", SignTest.atLeast(onOld.lost, onOld.won));
    report.set("new", onNew.toJson("parent"));
    report.withObject("/new").put("p_better", SignTest.atLeast(onNew.won, onNew.lost));
    return new Verdict(problem(onOld, onNew, tolerance), report);
  }

  private static String problem(Comparison old, Comparison recent, double tolerance) {
    int mayFall = (int) Math.floor(tolerance * old.rows + 1e-9);
    if (old.before - old.now > mayFall) {
      return String.format(
          Locale.ROOT,
          "on %d old rows it has %d right, the first version %d; old_tolerance %s lets it fall by %d",
          old.rows,
          old.now,
          old.before,
          tolerance,
          mayFall);
    }
    if (recent.now < recent.before) {
      return String.format(
          Locale.ROOT,
          "on %d held-out corrections it has %d right, the version before %d",
          recent.rows,
          recent.now,
          recent.before);
    }
    return null;
  }
}
