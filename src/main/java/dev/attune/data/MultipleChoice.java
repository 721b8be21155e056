package dev.attune.data;

import dev.attune.core.InputException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Rows with answers to choose from, of which a label says the right one. Where they are passed
 * over, the number of a choice is learned from a text that does not hold the choices.
 */
final class MultipleChoice {
  private static final Pattern ONE_OF_THEM =
      Pattern.compile(
          "(choice|option|ending|solution|sol|answer|alternative|opt|op)_?([0-9]|[a-e])");

  private static final Set<String> ALL_OF_THEM =
      Set.of("choices", "options", "endings", "answer_choices", "candidates", "alternatives");

  private MultipleChoice() {}

  /**
   * Refuses such a file, unless it was said what is read.
   *
   * @param found columns by their roles
   * @param values of each column
   */
  static void refuse(
      Columns columns, Map<ColumnRole, String> found, Map<String, ColumnValues> values) {
    if (columns.asksForSource()) {
      return;
    }
    List<String> choices =
        values.keySet().stream()
            .filter(name -> !found.containsValue(name) && areChoices(name, values.get(name)))
            .toList();
    boolean isList = choices.stream().anyMatch(name -> !isOne(name));
    boolean isLearned =
        found.containsKey(ColumnRole.TEXT) && found.containsKey(ColumnRole.LABEL)
            || found.containsKey(ColumnRole.PROMPT) && found.containsKey(ColumnRole.COMPLETION);
    if (!isLearned || choices.size() < 2 && !isList) {
      return;
    }
    Map<ColumnRole, String> alone = new LinkedHashMap<>();
    for (ColumnRole role :
        List.of(
            ColumnRole.TEXT,
            ColumnRole.TEXT_PAIR,
            ColumnRole.PROMPT,
            ColumnRole.COMPLETION,
            ColumnRole.LABEL)) {
      if (found.containsKey(role)) {
        alone.put(learnedAs(role, columns, found), found.get(role));
      }
    }
    throw new InputException(
        Excerpt.quoted(choices)
            + (choices.size() == 1 ? " holds" : " hold")
            + " answers to choose from, which no task reads: what is right would be learned without"
            + " them. Write each choice to a row of its own, as text_pair, with a label that says"
            + " whether it is right, or all of them into the text. To leave them out: "
            + ColumnsOption.of(alone));
  }

  /** A prompt that is one turn, as those that are guessed are, stays one as an instruction. */
  private static ColumnRole learnedAs(
      ColumnRole role, Columns columns, Map<ColumnRole, String> found) {
    boolean isTurn = role == ColumnRole.PROMPT && columns.areTurns(found);
    return isTurn ? ColumnRole.INSTRUCTION : role;
  }

  /** Whether columns called so often hold answers to choose from. */
  static boolean isName(String name) {
    return isOne(name) || ALL_OF_THEM.contains(UsualNames.normalised(name));
  }

  private static boolean areChoices(String name, ColumnValues values) {
    return isOne(name)
        ? values.areTexts()
        : ALL_OF_THEM.contains(UsualNames.normalised(name)) && values.areNested();
  }

  private static boolean isOne(String name) {
    return ONE_OF_THEM.matcher(UsualNames.normalised(name)).matches();
  }
}
