package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
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

  private AnnotatedRows() {}

  /**
   * Refuses such a file, unless it was said what is read.
   *
   * @param values of each column
   */
  static void refuse(Columns columns, Map<String, ColumnValues> values) {
    if (!columns.asksFor(ANSWER) && values.containsKey(ANSWER)) {
      refuseVerdicts(values.get(ANSWER));
    }
    boolean areTurns = values.keySet().equals(TURN) || values.keySet().equals(SHARED_TURN);
    if (areTurns && !columns.asksForSource()) {
      throw new InputException(
          "the rows are single turns of conversations ("
              + String.join(", ", values.keySet())
              + "). A conversation is one row, {\"messages\": [...]}; of a list of turns, be it a line of"
              + " several or the whole file, this makes one: jq -c '{messages: .}'. To learn each turn"
              + " as a text: "
              + Term.COLUMNS.of("text=" + (values.containsKey("content") ? "content" : "value")));
    }
  }

  /** Prodigy keeps what annotators have rejected or left open beside what they have accepted. */
  private static void refuseVerdicts(ColumnValues answers) {
    if (answers.areSomeOf(VERDICTS) && !answers.areSomeOf(Set.of(ACCEPTED))) {
      throw new InputException(
          "\""
              + ANSWER
              + "\" says of each row whether its annotation was accepted, and those that were not would"
              + " be learned too. Leave them out: jq -c 'select(.answer == \"accept\")'. Where the"
              + " verdict itself is to be learned, name it: "
              + Term.COLUMNS.of("text=text,label=answer"));
    }
  }
}
