package dev.attune.text;

import dev.attune.core.Check;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One turn of a conversation.
 *
 * @param fields what the data says about it, as a chat template sees it: {@code role}, {@code
 *     content} and whatever else (String, Number, Boolean, List, Map, null)
 */
public record ChatMessage(Map<String, Object> fields) {
  /** The field of an assistant's turn that says whether it is learned: 0 or 1, as OpenAI has it. */
  public static final String WEIGHT = "weight";

  public ChatMessage {
    Check.argument(fields.get("role") instanceof String, "a message without a role: %s", fields);
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** A turn of plain text. */
  public static ChatMessage of(String role, String content) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("role", role);
    fields.put("content", content);
    return new ChatMessage(fields);
  }

  /** Who speaks: system, user, assistant, ... */
  public String role() {
    return (String) fields.get("role");
  }

  /** What is said; empty where the turn has none, as one that only calls tools. */
  public String content() {
    return fields.get("content") instanceof String content ? content : "";
  }

  /** Whether the model says it. */
  public boolean isAssistant() {
    return role().equals("assistant");
  }

  /** Whether nothing is said, nor a tool called. */
  public boolean saysNothing() {
    return content().isBlank() && !fields.containsKey("tool_calls");
  }

  /** Whether the data says that this turn of the assistant is not to be learned. */
  public boolean isLeftOut() {
    return fields.get(WEIGHT) instanceof Number weight && weight.doubleValue() == 0;
  }
}
