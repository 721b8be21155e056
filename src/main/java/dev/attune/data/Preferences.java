package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.Term;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rows that are prompts with two answers, of which one is better. */
final class Preferences {
  /** What OpenAI's {@code input} of a preference holds. */
  private static final List<String> INPUT_FIELDS =
      List.of("messages", "tools", "parallel_tool_calls");

  /** Announces a turn of the assistant. */
  private static final String ASSISTANT = "\n\nAssistant:";

  private final Cells cells;
  private final Turns turns;
  private final boolean asTurns;
  private int dialogues; // rows

  /**
   * Those of a file.
   *
   * @param asTurns whether instructions become conversations
   */
  Preferences(Cells cells, Turns turns, boolean asTurns) {
    this.cells = cells;
    this.turns = turns;
    this.asTurns = asTurns;
  }

  /**
   * A prompt with two answers: texts, or turns; OpenAI's {@code input} holds the prompt's turns.
   */
  Example read(
      int row,
      Map<String, Object> values,
      Map<ColumnRole, String> roles,
      Map<String, Object> fields) {
    String chosen = roles.get(ColumnRole.CHOSEN);
    String rejected = roles.get(ColumnRole.REJECTED);
    boolean hasPrompt = roles.containsKey(ColumnRole.PROMPT);
    String prompt = roles.get(hasPrompt ? ColumnRole.PROMPT : ColumnRole.INPUT);
    for (String column : List.of(chosen, rejected)) {
      Check.input(values.get(column) != null, "%s: \"%s\" is missing", cells.at(row), column);
    }
    boolean areTurns = values.get(chosen) instanceof List<?>;
    boolean isInstruction = !hasPrompt && roles.containsKey(ColumnRole.INSTRUCTION);
    if (!areTurns && !isInstruction && prompt == null && !roles.containsKey(ColumnRole.SYSTEM)) {
      turns.checkNoHistory(row, values, roles);
      return dialogue(row, values, chosen, rejected, fields);
    }
    if (!areTurns) {
      Check.input(
          isInstruction || prompt != null && values.get(prompt) != null,
          "%s: the answers have no prompt. Name its column: %s",
          cells.at(row),
          Term.COLUMNS.of("prompt=" + likelyPrompt(values)));
      boolean hasTurns =
          roles.containsKey(ColumnRole.SYSTEM) || roles.containsKey(ColumnRole.HISTORY);
      if (isInstruction || hasTurns) {
        Map<ColumnRole, String> asked = new EnumMap<>(roles);
        if (!isInstruction) {
          asked.remove(ColumnRole.INPUT);
          asked.put(ColumnRole.PROMPT, prompt);
        }
        return Example.ofPreference(
            row,
            answered(row, values, asked, chosen),
            answered(row, values, asked, rejected),
            fields);
      }
      String given = cells.text(row, values, prompt);
      return Example.ofPreference(
          row,
          Example.ofPrompt(row, given, cells.text(row, values, chosen)),
          Example.ofPrompt(row, given, cells.text(row, values, rejected)),
          fields);
    }
    List<ChatMessage> better = turns.of(row, values, chosen);
    List<ChatMessage> worse = turns.of(row, values, rejected);
    List<ChatMessage> asked = promptTurns(row, values, prompt, better, worse);
    return Example.ofPreference(
        row,
        Example.ofMessages(row, turns.withSystem(row, values, roles, joined(asked, better))),
        Example.ofMessages(row, turns.withSystem(row, values, roles, joined(asked, worse))),
        fields);
  }

  /**
   * Two dialogues as texts, as Anthropic's data have them: what both begin with, up to where the
   * assistant speaks last in it, is the prompt.
   */
  private Example dialogue(
      int row,
      Map<String, Object> values,
      String chosen,
      String rejected,
      Map<String, Object> fields) {
    String better = cells.text(row, values, chosen);
    String worse = cells.text(row, values, rejected);
    int shared = 0;
    while (shared < Math.min(better.length(), worse.length())
        && better.charAt(shared) == worse.charAt(shared)) {
      shared++;
    }
    int speaks = better.substring(0, shared).lastIndexOf(ASSISTANT);
    Check.input(
        speaks >= 0,
        "%s: the answers have no prompt, and do not begin with the same dialogue up to"
            + " \"Assistant:\". Name the prompt's column: %s",
        cells.at(row),
        Term.COLUMNS.of("prompt=" + likelyPrompt(values)));
    dialogues++;
    int begin = speaks + ASSISTANT.length();
    String given = better.substring(0, begin);
    return Example.ofPreference(
        row,
        Example.ofPrompt(row, given, better.substring(begin)),
        Example.ofPrompt(row, given, worse.substring(begin)),
        fields);
  }

  /** The only column that is called as what is answered often is. */
  private static String likelyPrompt(Map<String, Object> values) {
    List<String> asked =
        values.keySet().stream()
            .filter(name -> UsualNames.ANSWERS.containsKey(UsualNames.normalised(name)))
            .toList();
    return asked.size() == 1 ? ColumnsOption.quoted(asked.get(0)) : "NAME";
  }

  /** What the report says of how rows were read. */
  List<Finding> findings() {
    return dialogues == 0
        ? List.of()
        : List.of(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "dialogues",
                Count.many(dialogues, "row is", "rows are")
                    + " two dialogues as texts: what both begin with, up to \"Assistant:\", is the"
                    + " prompt"));
  }

  private static List<ChatMessage> joined(List<ChatMessage> prompt, List<ChatMessage> answer) {
    List<ChatMessage> all = new ArrayList<>(prompt);
    all.addAll(answer);
    return all;
  }

  /** The turns before the answers' own; none where these begin with them. */
  private List<ChatMessage> promptTurns(
      int row,
      Map<String, Object> values,
      String prompt,
      List<ChatMessage> better,
      List<ChatMessage> worse) {
    Object given = prompt == null ? null : values.get(prompt);
    if (given instanceof Map<?, ?> input) {
      for (Object key : input.keySet()) {
        Check.input(
            INPUT_FIELDS.contains(key),
            "%s: \"%s\" has the field \"%s\", which is not known; known are %s",
            cells.at(row),
            prompt,
            key,
            String.join(", ", INPUT_FIELDS));
      }
      Map<String, Object> inner = new LinkedHashMap<>();
      input.forEach((name, value) -> inner.put(prompt + "." + name, value));
      String name = prompt + ".messages";
      Check.input(inner.get(name) != null, "%s: \"%s\" is missing", cells.at(row), name);
      return turns.of(row, inner, name);
    }
    if (given instanceof List<?>) {
      return turns.of(row, values, prompt);
    }
    int shared = 0;
    while (shared < Math.min(better.size(), worse.size())
        && better.get(shared).equals(worse.get(shared))) {
      shared++;
    }
    Check.input(
        shared > 0,
        "%s: the two answers are turns that have no first turn in common, and \"prompt\" is no list"
            + " of turns: it cannot be told what they answer",
        cells.at(row));
    String text = given == null ? null : cells.text(row, values, prompt);
    Check.input(
        text == null
            || better.subList(0, shared).stream().anyMatch(turn -> turn.content().equals(text)),
        "%s: \"%s\" is a text that is no turn of both answers; write the prompt as a list of turns",
        cells.at(row),
        prompt);
    return List.of();
  }

  /** An instruction with one of its answers. */
  private Example answered(
      int row, Map<String, Object> values, Map<ColumnRole, String> roles, String answer) {
    Map<ColumnRole, String> all = new EnumMap<>(roles);
    all.put(ColumnRole.COMPLETION, answer);
    Instruction instruction = Instruction.read(cells, row, values, all);
    Check.input(
        instruction.instruction() != null,
        "%s: \"%s\" is missing",
        cells.at(row),
        roles.get(ColumnRole.INSTRUCTION));
    if (asTurns) {
      return Example.ofMessages(row, instruction.turns());
    }
    instruction.checkNoHistory(cells.at(row));
    return Example.ofPrompt(row, instruction.prompt(), instruction.completion());
  }
}
