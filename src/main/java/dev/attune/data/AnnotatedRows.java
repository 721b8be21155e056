package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * Rows that would be learned as what they are not: annotations that were rejected, and single turns
 * of conversations.
 */
final class AnnotatedRows {
  /** What Prodigy writes beside each annotation. */
  private static final String ANSWER = "answer";

  private static final String ACCEPTED = "accept";
  private static final Set<String> VERDICTS = Set.of(ACCEPTED, "reject", "ignore");

  private static final Set<String> TURN = Set.of("role", "content");
  private static final Set<String> SHARED_TURN = Set.of("from", "value");

  /** What turns may have beside those. */
  private static final Set<String> OF_TURNS =
      Set.of(
          "name",
          "weight",
          "train",
          "training",
          "loss",
          "tool_calls",
          "tool_call_id",
          "function_call");

  private AnnotatedRows() {}

  /**
   * Refuses single turns, unless it was said what is read.
   *
   * @param values of each column
   */
  static void refuse(Columns columns, Map<String, ColumnValues> values) {
    Set<String> names = values.keySet();
    if ((areTurns(names, TURN) || areTurns(names, SHARED_TURN)) && !columns.asksForSource()) {
      throw new InputException(
          "the rows are single turns of conversations ("
              + String.join(", ", names)
              + "). A conversation is one row, {\"messages\": [...]}; of a list of turns, be it a line of"
              + " several or the whole file, this makes one: jq -c '{messages: .}'. To learn each turn"
              + " as a text: "
              + Term.COLUMNS.of("text=" + (names.contains("content") ? "content" : "value")));
    }
  }

  private static boolean areTurns(Set<String> names, Set<String> turn) {
    return names.containsAll(turn)
        && names.stream().allMatch(name -> turn.contains(name) || OF_TURNS.contains(name));
  }

  /**
   * What stops training on annotations of Prodigy, which keeps those that were rejected or left
   * open beside those that were accepted, and is no more than said where nothing is learned; null:
   * they all were accepted, or it was said that the verdict is read.
   */
  static Finding verdicts(Path file, Columns columns, Map<String, ColumnValues> values) {
    ColumnValues answers = values.get(ANSWER);
    if (answers == null
        || columns.asksFor(ANSWER)
        || !answers.areSomeOf(VERDICTS)
        || answers.areSomeOf(Set.of(ACCEPTED))) {
      return null;
    }
    return Finding.ofFile(
        Finding.Severity.FATAL,
        "rejected_annotations",
        "\""
            + ANSWER
            + "\" says of each row whether its annotation was accepted, and those that were not are read"
            + " like the others. Leave them out of what is learned: "
            + accepted(file)
            + ". Where the verdict itself is to be learned, name it: "
            + Term.COLUMNS.of("text=text,label=answer"));
  }

  /** How, by what a file is: in one of JSON rows may stand in lists, and lists in objects. */
  private static String accepted(Path file) {
    Format format = Format.ofExtension(DataFile.uncompressed(file));
    return format != null && format != Format.JSON && format != Format.JSONL
        ? "in pandas, frame[frame." + ANSWER + " == \"" + ACCEPTED + "\"]"
        : "jq -c '"
            + (format == Format.JSON ? ".. | objects | " : "")
            + "select(.answer == \"accept\")'";
  }
}
