package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * An instruction and its answer: as turns for a model with a chat template, as LLaMA-Factory makes
 * them, or as one text.
 *
 * @param alpaca whether it is one of Stanford Alpaca's kind, whose prompts have a text around them
 * @param system what the model is told beforehand, or null
 * @param instruction or question, or whatever is answered
 * @param input what the instruction is about; null or empty: nothing
 * @param answer null where there is none
 */
record Instruction(boolean alpaca, String system, String instruction, String input, String answer) {
  /** The prompts of the Stanford Alpaca repository, train.py. */
  private static final String WITH_INPUT =
      "Below is an instruction that describes a task, paired with an input that provides further"
          + " context. Write a response that appropriately completes the request.\n\n"
          + "### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:";

  private static final String WITHOUT_INPUT =
      "Below is an instruction that describes a task. Write a response that appropriately completes"
          + " the request.\n\n### Instruction:\n%s\n\n### Response:";

  /** That of a row, by its columns. */
  static Instruction read(
      Cells cells, int row, Map<String, Object> values, Map<Columns.Role, String> roles) {
    boolean isAlpaca = roles.containsKey(Columns.Role.INSTRUCTION);
    boolean answers = isAlpaca || roles.containsKey(Columns.Role.PROMPT);
    Object history = answers ? values.get("history") : null;
    Check.input(
        history == null || history instanceof List<?> list && list.isEmpty(),
        "%s: \"history\" holds earlier turns, which instructions cannot be read with; write the"
            + " rows as messages",
        cells.at(row));
    return new Instruction(
        isAlpaca,
        cells.text(row, values, roles.get(Columns.Role.SYSTEM)),
        cells.text(
            row, values, roles.get(isAlpaca ? Columns.Role.INSTRUCTION : Columns.Role.PROMPT)),
        cells.text(row, values, roles.get(Columns.Role.INPUT)),
        cells.text(row, values, roles.get(Columns.Role.COMPLETION)));
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
    turns.add(ChatMessage.of("user", hasInput() ? instruction + "\n" + input : instruction));
    if (answer != null) {
      turns.add(ChatMessage.of("assistant", answer));
    }
    return turns;
  }
}
