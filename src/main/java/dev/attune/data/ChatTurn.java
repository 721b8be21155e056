package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A turn of a conversation, as files have it. */
final class ChatTurn {
  /** In the order of messages. Templates would drop or garble the turn of any other. */
  private static final List<String> ROLES =
      List.of("system", "developer", "user", "assistant", "tool");

  /** ShareGPT's names of who speaks. */
  private static final Map<String, String> SHARE_GPT =
      Map.of(
          "system", "system",
          "human", "user",
          "user", "user",
          "gpt", "assistant",
          "chatgpt", "assistant",
          "assistant", "assistant");

  private ChatTurn() {}

  /**
   * Reads one.
   *
   * @param where it stands, for messages
   * @param item as the file has it: an object with role and content, or ShareGPT's from and value
   * @throws InputException if it is no turn, or somebody's who is not known
   */
  static ChatMessage read(String where, Object item) {
    if (!(item instanceof Map<?, ?> turn)) {
      throw new InputException(
          where
              + " must be an object with role and content, not "
              + Excerpt.shortened(String.valueOf(item)));
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    turn.forEach((name, value) -> fields.put((String) name, value));
    if (fields.containsKey("from") && fields.containsKey("value") && !fields.containsKey("role")) {
      Object speaker = fields.remove("from");
      Check.input(
          SHARE_GPT.containsKey(speaker),
          "%s is from \"%s\", whom turns of ShareGPT are not known from. Known: human, gpt and"
              + " system.",
          where,
          speaker);
      fields.put("role", SHARE_GPT.get(speaker));
      fields.put("content", fields.remove("value"));
    }
    Check.input(
        fields.get("role") instanceof String,
        "%s has no role. Roles: %s.",
        where,
        String.join(", ", ROLES));
    Check.input(
        ROLES.contains(fields.get("role")),
        "%s has the unknown role \"%s\". Roles: %s.",
        where,
        fields.get("role"),
        String.join(", ", ROLES));
    Object content = fields.get("content");
    boolean callsTools = fields.get("tool_calls") instanceof List<?> calls && !calls.isEmpty();
    Check.input(
        content instanceof String || (content == null && callsTools),
        "%s: the content must be a string, not %s",
        where,
        Excerpt.shortened(String.valueOf(content)));
    checkWeight(where, fields);
    return new ChatMessage(fields);
  }

  /** A turn that is not learned is marked so, in OpenAI's files. */
  private static void checkWeight(String where, Map<String, Object> turn) {
    Object weight = turn.get(ChatMessage.WEIGHT);
    if (weight != null) {
      Check.input(
          weight instanceof Number number
              && (number.doubleValue() == 0 || number.doubleValue() == 1),
          "%s: the weight must be 0 or 1, not %s",
          where,
          Excerpt.shortened(String.valueOf(weight)));
      Check.input(
          turn.get("role").equals("assistant"),
          "%s has a weight, and the role \"%s\"; only turns of the assistant are learned, or not",
          where,
          turn.get("role"));
    }
  }
}
