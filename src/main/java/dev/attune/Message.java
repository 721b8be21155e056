package dev.attune;

import java.util.Objects;

/**
 * One turn of a conversation.
 *
 * @param role who speaks: "system", "user", "assistant", or what else the model's template knows
 * @param content what is said
 */
public record Message(String role, String content) {
  public Message {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(content, "content");
  }

  /** What the conversation is about, or how the assistant is to speak. */
  public static Message system(String content) {
    return new Message("system", content);
  }

  /** A turn of the user's. */
  public static Message user(String content) {
    return new Message("user", content);
  }

  /** A turn of the model's. */
  public static Message assistant(String content) {
    return new Message("assistant", content);
  }
}
