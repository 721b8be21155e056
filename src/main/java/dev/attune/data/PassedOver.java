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

  /** What texts may have places for, such as {@code <image>}. */
  private static final Set<String> MEDIA =
      Set.of("image", "images", "audio", "audios", "video", "videos");

  /** How the names of columns of names go on from those of their numbers. */
  private static final Set<String> NAMES = Set.of("_text", "_name", "_str", "_names");

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
      if (MEDIA.contains(UsualNames.normalised(name))
          && column.getValue().meanLength() > 0
          && !found.containsValue(name)) {
        findings.add(media(name));
      }
      boolean isText = column.getValue().areTexts() && column.getValue().meanLength() > 0;
      if (!isText || found.containsValue(name) || columns.asksForSource()) {
        continue;
      }
      if (found.containsKey(ColumnRole.PROMPT)
          && found.containsKey(ColumnRole.COMPLETION)
          && INPUTS.contains(UsualNames.normalised(name))) {
        findings.add(input(found, name));
      }
      if (isNameOf(found.get(ColumnRole.LABEL), name, values)) {
        findings.add(names(found, name));
      }
      if (found.containsKey(ColumnRole.ANCHOR) && UsualNames.normalised(name).equals(PROMPT)) {
        findings.add(prompt(name));
      }
    }
    return findings;
  }

  /** Whether a column seems to hold the names of the classes that the label has as numbers. */
  private static boolean isNameOf(String label, String name, Map<String, ColumnValues> values) {
    return label != null
        && values.get(label).areNumbers()
        && values.get(name).mayBeLabels()
        && NAMES.stream()
            .anyMatch(
                end -> UsualNames.normalised(name).equals(UsualNames.normalised(label) + end));
  }

  private static Finding names(Map<ColumnRole, String> found, String name) {
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    for (ColumnRole role : List.of(ColumnRole.TEXT, ColumnRole.TEXT_PAIR)) {
      if (found.containsKey(role)) {
        option.put(role, found.get(role));
      }
    }
    option.put(ColumnRole.LABEL, name);
    return Finding.ofFile(
        Finding.Severity.NOTE,
        "label_names_not_used",
        "\""
            + name
            + "\" seems to name the classes that \""
            + found.get(ColumnRole.LABEL)
            + "\" has as numbers, and is not used. To have the names as labels give "
            + ColumnsOption.of(option));
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

  private static Finding media(String name) {
    return warning(
        "media_not_used",
        "\""
            + name
            + "\" is not used: only texts are read, and what stands in them for it is a word");
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
