package dev.attune.server.inference;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.Ids;
import java.util.ArrayList;
import java.util.List;

/**
 * The tool calls of an answer in the form of Hermes and Qwen: {@code <tool_call>{"name": …,
 * "arguments": …}</tool_call>}.
 *
 * @param text what is said beside them
 */
record ToolCalls(String text, List<Call> calls) {
  static final String BEGIN = "<tool_call>";
  static final String END = "</tool_call>";

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * One.
   *
   * @param arguments as JSON
   */
  record Call(String id, String name, String arguments) {}

  /** A text without any. */
  static ToolCalls none(String text) {
    return new ToolCalls(text, List.of());
  }

  /** Those of a text. What is none, though it begins like one, is left as text. */
  static ToolCalls in(String text) {
    StringBuilder rest = new StringBuilder();
    List<Call> calls = new ArrayList<>();
    int from = 0;
    while (true) {
      int begin = text.indexOf(BEGIN, from);
      int end = begin < 0 ? -1 : text.indexOf(END, begin);
      Call call = end < 0 ? null : call(text.substring(begin + BEGIN.length(), end));
      if (begin < 0 || end < 0) {
        rest.append(text, from, text.length());
        break;
      }
      int next = end + END.length();
      if (call == null) {
        rest.append(text, from, next);
      } else {
        rest.append(text, from, begin);
        calls.add(call);
      }
      from = next;
    }
    return calls.isEmpty() ? none(text) : new ToolCalls(rest.toString().strip(), calls);
  }

  private static Call call(String json) {
    try {
      JsonNode node = JSON.readTree(json);
      JsonNode name = node.path("name");
      JsonNode arguments = node.path("arguments");
      return name.isTextual() && arguments.isObject()
          ? new Call(Ids.next("call_"), name.textValue(), arguments.toString())
          : null;
    } catch (JsonProcessingException e) {
      return null;
    }
  }

  boolean isEmpty() {
    return calls.isEmpty();
  }

  /**
   * As OpenAI has them.
   *
   * @param isDelta whether each says which one it is, as in streams
   */
  ArrayNode toJson(boolean isDelta) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    for (Call call : calls) {
      ObjectNode one = all.addObject();
      if (isDelta) {
        one.put("index", all.size() - 1);
      }
      one.put("id", call.id);
      one.put("type", "function");
      ObjectNode function = one.putObject("function");
      function.put("name", call.name);
      function.put("arguments", call.arguments);
    }
    return all;
  }

  /** Passes on what comes before the first call of a text, piece by piece. */
  static final class Splitter {
    private final boolean hasTools;
    private final StringBuilder held = new StringBuilder();
    private ToolCalls calls = none("");

    Splitter(boolean hasTools) {
      this.hasTools = hasTools;
    }

    /** Takes a piece; gives what can be passed on. */
    String add(String piece) {
      if (!hasTools) {
        return piece;
      }
      held.append(piece);
      int begin = held.indexOf(BEGIN);
      if (begin < 0) {
        int kept = Math.min(BEGIN.length() - 1, held.length());
        while (kept > 0 && !BEGIN.startsWith(held.substring(held.length() - kept))) {
          kept--;
        }
        begin = held.length() - kept;
      }
      String out = held.substring(0, begin);
      held.delete(0, begin);
      return out;
    }

    /** The text is whole: gives what else is to be passed on. */
    String end() {
      calls = in(held.toString());
      return calls.text;
    }

    /** Those that there were. */
    ToolCalls calls() {
      return calls;
    }
  }
}
