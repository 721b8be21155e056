package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An instruction and its answer: as turns for a model with a chat template, as LLaMA-Factory makes
 * them, or as one text.
 *
 * @param alpaca whether it is one of Stanford Alpaca's kind, whose prompts have a text around them
 * @param system what the model is told beforehand, or null
 * @param history turns before the instruction
 * @param instruction or question, or whatever is answered
 * @param input what the instruction is about; null or empty: nothing
 * @param answer null where there is none
 */
record Instruction(
    boolean alpaca,
    String system,
    List<ChatMessage> history,
    String instruction,
    String input,
    String answer) {
  /** The prompts of the Stanford Alpaca repository, train.py. */
  private static final String WITH_INPUT =
      "Below is an instruction that describes a task, paired with an input that provides further"
          + " context. Write a response that appropriately completes the request.\n\n"
          + "### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:";

  private static final String WITHOUT_INPUT =
      "Below is an instruction that describes a task. Write a response that appropriately completes"
          + " the request.\n\n### Instruction:\n%s\n\n### Response:";

  private static final String HISTORY =
      "a list of earlier turns, [[question, answer], ...] or [{\"role\": ..., \"content\": ...},"
          + " ...]";

  /** That of a row, by its columns. */
  static Instruction read(
      Cells cells, int row, Map<String, Object> values, Map<ColumnRole, String> roles) {
    boolean isAlpaca = roles.containsKey(ColumnRole.INSTRUCTION);
    return new Instruction(
        isAlpaca,
        cells.text(row, values, roles.get(ColumnRole.SYSTEM)),
        history(cells, row, values, roles),
        cells.text(row, values, roles.get(isAlpaca ? ColumnRole.INSTRUCTION : ColumnRole.PROMPT)),
        cells.text(row, values, roles.get(ColumnRole.INPUT)),
        cells.text(row, values, roles.get(ColumnRole.COMPLETION)));
  }

  /**
   * Earlier turns: questions with their answers, two texts each, or turns as conversations have
   * them; a list, or the text of one.
   */
  static List<ChatMessage> history(
      Cells cells, int row, Map<String, Object> values, Map<ColumnRole, String> roles) {
    String column = roles.get(ColumnRole.HISTORY);
    Object value = column == null ? null : values.get(column);
    if (value == null || value instanceof String text && text.isBlank()) {
      return List.of();
    }
    Object items = value instanceof String text ? CellValue.parse(text) : value;
    if (!(items instanceof List<?> list)) {
      throw noHistory(cells, row, roles, value);
    }
    List<ChatMessage> turns = new ArrayList<>();
    for (Object item : list) {
      if (ChatTurn.isOne(item)) {
        turns.add(ChatTurn.read(cells.at(row) + ", \"" + column + "\"", item).message());
        continue;
      }
      boolean isPair =
          item instanceof List<?> pair
              && pair.size() == 2
              && pair.stream().allMatch(String.class::isInstance);
      if (!isPair) {
        throw noHistory(cells, row, roles, value);
      }
      turns.add(ChatMessage.of("user", (String) ((List<?>) item).get(0)));
      turns.add(ChatMessage.of("assistant", (String) ((List<?>) item).get(1)));
    }
    return turns;
  }

  private static InputException noHistory(
      Cells cells, int row, Map<ColumnRole, String> roles, Object value) {
    String column = roles.get(ColumnRole.HISTORY);
    String asked = roles.getOrDefault(ColumnRole.INSTRUCTION, roles.get(ColumnRole.PROMPT));
    Map<ColumnRole, String> others = new LinkedHashMap<>();
    others.put(ColumnRole.INSTRUCTION, asked == null ? "NAME" : asked);
    for (ColumnRole role : List.of(ColumnRole.INPUT, ColumnRole.COMPLETION)) {
      if (roles.containsKey(role) && !roles.containsKey(ColumnRole.CHOSEN)) {
        others.put(role, roles.get(role));
      }
    }
    return new InputException(
        cells.wrongType(row, column, value, HISTORY).getMessage()
            + ". To leave it out, say what is read: "
            + ColumnsOption.of(others));
  }

  /**
   * Refuses earlier turns, which no prompt can hold.
   *
   * @param where the row stands
   */
  void checkNoHistory(String where) {
    Check.input(
        history.isEmpty(),
        "%s: \"history\" holds earlier turns, and the model has no chat template to write them"
            + " with. Use a model that has one, or write those turns into the prompt",
        where);
  }

  private boolean hasInput() {
    return input != null && !input.isEmpty();
  }

  /** What is continued; null where there is nothing. */
  String prompt() {
    if (instruction == null) {
      return null;
    }
    String before = system == null || system.isBlank() ? "" : system + "\n\n";
    if (!alpaca) {
      return before + instruction + "\n";
    }
    return before
        + (hasInput()
            ? WITH_INPUT.formatted(instruction, input)
            : WITHOUT_INPUT.formatted(instruction));
  }

  /** What is learned; null where there is none. */
  String completion() {
    return answer;
  }

  /** The conversation; null where there is nothing. */
  List<ChatMessage> turns() {
    if (instruction == null) {
      return null;
    }
    List<ChatMessage> turns = new ArrayList<>();
    if (system != null && !system.isBlank()) {
      turns.add(ChatMessage.of("system", system));
    }
    turns.addAll(history);
    turns.add(ChatMessage.of("user", hasInput() ? instruction + "\n" + input : instruction));
    if (answer != null) {
      turns.add(ChatMessage.of("assistant", answer));
    }
    return turns;
  }
}
