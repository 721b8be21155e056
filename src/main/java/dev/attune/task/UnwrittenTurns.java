package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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
  private static final String CALLS = "tool_calls";
  private static final String FUNCTION = "function";
  private static final Pattern WORD = Pattern.compile("[A-Za-z0-9]+");

  /** Speakers that not all templates know. */
  private static final Set<String> OTHERS = Set.of("system", "developer", "tool");

  private UnwrittenTurns() {}

  /**
   * Refuses a conversation of which a part is not in what its template wrote: not even where a mark
   * stands in its place. The part's own words may be there from elsewhere.
   *
   * @param text that was written
   * @param tools that the assistant may call, or null
   * @throws InputException that names the first such part, without the row
   */
  static void refuse(
      ChatTemplate template, String text, List<ChatMessage> messages, List<?> tools) {
    if (tools == null
        && messages.stream().noneMatch(turn -> isOther(turn) || !calls(turn).isEmpty())) {
      return;
    }
    String marked;
    boolean hasMarks = true;
    try {
      marked =
          template.render(marked(messages), tools == null ? null : named(tools, "tool"), false);
    } catch (InputException e) {
      marked = text; // the template looks into what it writes
      hasMarks = false;
    }
    for (int i = 0; i < messages.size(); i++) {
      ChatMessage turn = messages.get(i);
      String word = hasMarks ? mark("turn", i) : longestWord(turn.content());
      if (isOther(turn) && !marked.contains(word)) {
        throw unwritten("turn " + (i + 1) + ", of the role \"" + turn.role() + "\",");
      }
      List<?> calls = hasMarks ? named(calls(turn), "call" + i) : calls(turn);
      if (!areIn(marked, calls)) {
        throw unwritten("the call of a tool in turn " + (i + 1));
      }
    }
    if (tools != null && !areIn(marked, hasMarks ? named(tools, "tool") : tools)) {
      throw unwritten("\"tools\"");
    }
  }

  private static boolean isOther(ChatMessage turn) {
    return OTHERS.contains(turn.role()) && !turn.content().isBlank();
  }

  private static List<?> calls(ChatMessage turn) {
    return turn.fields().get(CALLS) instanceof List<?> calls ? calls : List.of();
  }

  private static boolean areIn(String text, List<?> functions) {
    return functions.stream().allMatch(function -> text.contains(name(function)));
  }

  private static String mark(String part, int index) {
    return "attune_" + part + '_' + index + '_';
  }

  /** The turns with marks for what other speakers say and for the names of what is called. */
  private static List<ChatMessage> marked(List<ChatMessage> messages) {
    List<ChatMessage> marked = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      Map<String, Object> fields = new LinkedHashMap<>(messages.get(i).fields());
      if (isOther(messages.get(i))) {
        fields.put("content", mark("turn", i));
      }
      if (fields.get(CALLS) instanceof List<?> calls) {
        fields.put(CALLS, named(calls, "call" + i));
      }
      marked.add(new ChatMessage(fields));
    }
    return marked;
  }

  /** The same tools, or calls of them, with marks for the names of those that have one. */
  private static List<?> named(List<?> functions, String part) {
    List<Object> named = new ArrayList<>();
    for (Object given : functions) {
      String mark = mark(part, named.size());
      Object function = function(given);
      if (name(given).isEmpty()) {
        named.add(given);
      } else if (function == given) {
        named.add(with(given, "name", mark));
      } else {
        named.add(with(given, FUNCTION, with(function, "name", mark)));
      }
    }
    return named;
  }

  private static Map<Object, Object> with(Object map, String name, Object value) {
    Map<Object, Object> out = new LinkedHashMap<>((Map<?, ?>) map);
    out.put(name, value);
    return out;
  }

  private static InputException unwritten(String part) {
    return new InputException(
        "the model's chat template leaves "
            + part
            + " out, and what answers it would be learned without it. Use a model whose template"
            + " knows it, write it into the turns of user and assistant, or take it away");
  }

  /** What has the name of a tool, or of the tool that a call is of. */
  private static Object function(Object given) {
    return given instanceof Map<?, ?> tool && tool.get(FUNCTION) instanceof Map<?, ?> inner
        ? inner
        : given;
  }

  private static String name(Object given) {
    return function(given) instanceof Map<?, ?> fields && fields.get("name") instanceof String name
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
