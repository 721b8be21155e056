package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The turns of conversations in the columns of a file. */
final class Turns {
  private static final String WANTED =
      "a list of turns ({\"role\": ..., \"content\": ...}), or the text of one";

  /** Whose cells are turns where all that they hold is. */
  private static final Set<ColumnRole> OPEN =
      EnumSet.of(ColumnRole.PROMPT, ColumnRole.COMPLETION, ColumnRole.CHOSEN, ColumnRole.REJECTED);

  private final Cells cells;
  private final Set<String> textColumns = new TreeSet<>(); // that hold turns as texts
  private final Set<String> read = new TreeSet<>();
  private final Map<ChatTurn.Form, Integer> forms = new EnumMap<>(ChatTurn.Form.class);

  Turns(Cells cells) {
    this.cells = cells;
  }

  /** Looks for columns whose every value is the text of a list of turns. */
  void learn(Map<String, ColumnValues> values) {
    values.forEach(
        (name, column) -> {
          if (column.areTurnTexts()) {
            textColumns.add(name);
          }
        });
  }

  /** The values of a row with turns in place of the texts that say them. */
  Map<String, Object> parsed(Map<String, Object> values, Map<ColumnRole, String> roles) {
    Map<String, Object> out = null;
    for (Map.Entry<ColumnRole, String> role : roles.entrySet()) {
      String column = role.getValue();
      boolean isAsked = role.getKey() == ColumnRole.MESSAGES;
      boolean isOpen = OPEN.contains(role.getKey()) && textColumns.contains(column);
      if ((isAsked || isOpen)
          && (role.getKey() != ColumnRole.COMPLETION || answersTurns(roles))
          && values.get(column) instanceof String text) {
        List<?> turns = ChatTurn.list(text);
        if (turns != null) {
          read.add(column);
          out = out == null ? new LinkedHashMap<>(values) : out;
          out.put(column, turns);
        }
      }
    }
    return out == null ? values : out;
  }

  private boolean answersTurns(Map<ColumnRole, String> roles) {
    return roles.containsKey(ColumnRole.PROMPT)
        && textColumns.contains(roles.get(ColumnRole.PROMPT));
  }

  /** The turns of a column; null where it is empty. */
  List<ChatMessage> of(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    if (!(value instanceof List<?> list)) {
      throw cells.wrongType(row, column, value, WANTED);
    }
    Check.input(!list.isEmpty(), "%s: \"%s\" is an empty list", cells.at(row), column);
    List<ChatMessage> out = new ArrayList<>(list.size());
    for (Object item : list) {
      ChatTurn turn = ChatTurn.read(cells.at(row) + ", turn " + (out.size() + 1), item);
      turn.forms().forEach(form -> forms.merge(form, 1, Integer::sum));
      out.add(turn.message());
    }
    return out;
  }

  /**
   * The turns of messages, or of a prompt that is a list of turns with what answers it; or null.
   */
  List<ChatMessage> conversation(
      int row, Map<String, Object> values, Map<ColumnRole, String> roles) {
    String promptColumn = roles.get(ColumnRole.PROMPT);
    List<ChatMessage> turns = of(row, values, roles.get(ColumnRole.MESSAGES));
    if (turns == null && promptColumn != null && values.get(promptColumn) instanceof List<?>) {
      turns = new ArrayList<>(of(row, values, promptColumn));
      Check.input(
          turns.stream().noneMatch(ChatMessage::isAssistant),
          "%s: the prompt holds turns of the assistant, which would be learned too. Write all turns"
              + " into messages where they are to be learned",
          cells.at(row));
      turns.addAll(answer(row, values, roles.get(ColumnRole.COMPLETION)));
    }
    return turns == null ? null : withSystem(row, values, roles, turns);
  }

  /** What answers turns: further ones, or the text of one. */
  private List<ChatMessage> answer(int row, Map<String, Object> values, String column) {
    Object value = column == null ? null : values.get(column);
    if (value == null) {
      return List.of();
    }
    return value instanceof String text
        ? List.of(ChatMessage.of("assistant", text))
        : of(row, values, column);
  }

  /**
   * Refuses earlier turns of another column beside turns: it is not known where they belong.
   *
   * @throws InputException if there are any
   */
  void checkNoHistory(int row, Map<String, Object> values, Map<ColumnRole, String> roles) {
    Check.input(
        Instruction.history(cells, row, values, roles).isEmpty(),
        "%s: \"%s\" holds earlier turns, and the row has turns of its own; write them into those",
        cells.at(row),
        roles.get(ColumnRole.HISTORY));
  }

  /** The turns after that of the system, where a column has one and they do not. */
  List<ChatMessage> withSystem(
      int row, Map<String, Object> values, Map<ColumnRole, String> roles, List<ChatMessage> turns) {
    checkNoHistory(row, values, roles);
    String system = cells.text(row, values, roles.get(ColumnRole.SYSTEM));
    if (system == null || system.isBlank()) {
      return turns;
    }
    if (turns.get(0).role().equals("system")) {
      Check.input(
          turns.get(0).content().strip().equals(system.strip()),
          "%s: \"%s\" and the first turn are two different texts of the system; keep one",
          cells.at(row),
          roles.get(ColumnRole.SYSTEM));
      return turns;
    }
    List<ChatMessage> all = new ArrayList<>(turns);
    all.add(0, ChatMessage.of("system", system));
    return all;
  }

  /**
   * Whether a prompt beside messages is what one of their turns says: then nothing of it is lost.
   */
  static boolean repeats(List<ChatMessage> messages, Object prompt) {
    return prompt instanceof String text
        && messages.stream().anyMatch(turn -> turn.content().strip().equals(text.strip()));
  }

  /** What the report says of how turns were written. */
  List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    if (!read.isEmpty()) {
      findings.add(
          Finding.ofFile(
              Finding.Severity.NOTE,
              "turn_cells",
              "the cells of " + Excerpt.quoted(List.copyOf(read)) + " are read as lists of turns"));
    }
    forms.forEach((form, count) -> findings.add(form.finding(count)));
    return findings;
  }
}
