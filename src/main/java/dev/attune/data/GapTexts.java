package dev.attune.data;

import dev.attune.core.Count;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Texts that are what programs write where there is no value, and are learned as texts. */
final class GapTexts {
  private static final Set<String> GAPS = Set.of("nan", "NaN", "None", "null", "NULL", "<NA>");

  private static final List<ColumnRole> TEXTS =
      List.of(
          ColumnRole.TEXT,
          ColumnRole.TEXT_PAIR,
          ColumnRole.PROMPT,
          ColumnRole.COMPLETION,
          ColumnRole.INSTRUCTION,
          ColumnRole.INPUT,
          ColumnRole.SYSTEM,
          ColumnRole.CHOSEN,
          ColumnRole.REJECTED,
          ColumnRole.ANCHOR,
          ColumnRole.POSITIVE,
          ColumnRole.NEGATIVE);

  private final Map<String, Integer> rows = new LinkedHashMap<>(); // by column
  private final Map<String, String> seen = new LinkedHashMap<>();

  /** Looks at a row. */
  void look(Map<String, Object> values, Map<ColumnRole, String> roles) {
    for (ColumnRole role : TEXTS) {
      String column = roles.get(role);
      if (column != null && values.get(column) instanceof String text && GAPS.contains(text)) {
        rows.merge(column, 1, Integer::sum);
        seen.putIfAbsent(column, text);
      }
    }
  }

  /** What the report says of them. */
  List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    rows.forEach(
        (column, count) ->
            findings.add(
                Finding.ofFile(
                    Finding.Severity.WARNING,
                    "gap_texts",
                    Count.many(count, "row has", "rows have")
                        + " \""
                        + seen.get(column)
                        + "\" or the like as \""
                        + column
                        + "\", as programs write where there is no value: it is read as that word")));
    return findings;
  }
}
