package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a chat template leaves out of a conversation: templates pass over turns, calls of tools and
 * tools that they do not know, and say nothing.
 */
final class UnwrittenTurns {
  private static final Pattern WORD = Pattern.compile("[A-Za-z0-9]+");

  /** Speakers that not all templates know. */
  private static final Set<String> OTHERS = Set.of("system", "developer", "tool");

  private UnwrittenTurns() {}

  /**
   * Refuses a conversation of which a part is not in what its template wrote.
   *
   * @param text that was written
   * @param tools that the assistant may call, or null
   * @throws InputException that names the first such part, without the row
   */
  static void refuse(String text, List<ChatMessage> messages, List<?> tools) {
    for (int i = 0; i < messages.size(); i++) {
      ChatMessage turn = messages.get(i);
      String word = longestWord(turn.content());
      if (OTHERS.contains(turn.role()) && !text.contains(word)) {
        throw unwritten("turn " + (i + 1) + ", of the role \"" + turn.role() + "\",");
      }
      if (turn.fields().get("tool_calls") instanceof List<?> calls
          && !calls.stream().allMatch(call -> text.contains(name(call)))) {
        throw unwritten("the call of a tool in turn " + (i + 1));
      }
    }
    if (tools != null && !tools.stream().allMatch(tool -> text.contains(name(tool)))) {
      throw unwritten("\"tools\"");
    }
  }

  private static InputException unwritten(String part) {
    return new InputException(
        "the model's chat template leaves "
            + part
            + " out, and what answers it would be learned without it. Use a model whose template"
            + " knows it, write it into the turns of user and assistant, or take it away");
  }

  /** The name of a tool, or of the tool that a call is of. */
  private static String name(Object given) {
    Object function =
        given instanceof Map<?, ?> tool && tool.get("function") instanceof Map<?, ?> inner
            ? inner
            : given;
    return function instanceof Map<?, ?> fields && fields.get("name") instanceof String name
        ? name
        : "";
  }

  /** A word that no template writes otherwise, as it may white space, quotes and other letters. */
  private static String longestWord(String content) {
    String longest = "";
    for (Matcher words = WORD.matcher(content); words.find(); ) {
      longest = words.end() - words.start() > longest.length() ? words.group() : longest;
    }
    return longest;
  }
}
