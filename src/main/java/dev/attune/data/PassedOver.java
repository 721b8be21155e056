package dev.attune.data;

import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Columns that seem to belong to what is read, and are not read themselves. */
final class PassedOver {
  private static final Set<String> INPUTS = Set.of("input", "context", "inputs");
  private static final String PROMPT = "prompt";

  private PassedOver() {}

  /**
   * What the report says of them.
   *
   * @param found columns by their roles
   * @param values of each column
   */
  static List<Finding> findings(
      Columns columns, Map<ColumnRole, String> found, Map<String, ColumnValues> values) {
    List<Finding> findings = new ArrayList<>();
    for (Map.Entry<String, ColumnValues> column : values.entrySet()) {
      String name = column.getKey();
      boolean isText = column.getValue().areTexts() && column.getValue().meanLength() > 0;
      if (!isText || found.containsValue(name) || columns.asksForSource()) {
        continue;
      }
      if (found.containsKey(ColumnRole.PROMPT)
          && found.containsKey(ColumnRole.COMPLETION)
          && INPUTS.contains(UsualNames.normalised(name))) {
        findings.add(input(found, name));
      }
      if (found.containsKey(ColumnRole.ANCHOR) && UsualNames.normalised(name).equals(PROMPT)) {
        findings.add(prompt(name));
      }
    }
    return findings;
  }

  private static Finding input(Map<ColumnRole, String> found, String name) {
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.INSTRUCTION, found.get(ColumnRole.PROMPT));
    option.put(ColumnRole.INPUT, name);
    option.put(ColumnRole.COMPLETION, found.get(ColumnRole.COMPLETION));
    return warning(
        "input_not_used",
        "\""
            + name
            + "\" holds texts beside the prompt, and is not used. Where it is what the prompt is"
            + " about, give "
            + ColumnsOption.of(option));
  }

  private static Finding prompt(String name) {
    return warning(
        "prompt_not_used",
        "\""
            + name
            + "\" holds texts beside the anchor, and is not used. A text that stands before every anchor is given with "
            + Term.QUERY_PROMPT);
  }

  private static Finding warning(String code, String message) {
    return Finding.ofFile(Finding.Severity.WARNING, code, message);
  }
}
