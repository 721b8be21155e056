package dev.attune;

import dev.attune.data.Example;
import dev.attune.text.ChatMessage;
import java.util.List;
import java.util.Objects;

/**
 * An example for a language model: running text, a prompt with its completion, or a conversation.
 */
public final class LanguageExample {
  private final String text;
  private final String prompt;
  private final String completion;
  private final List<Message> messages;

  private LanguageExample(String text, String prompt, String completion, List<Message> messages) {
    this.text = text;
    this.prompt = prompt;
    this.completion = completion;
    this.messages = messages;
  }

  /** Running text, all of which is learned. */
  public static LanguageExample text(String text) {
    return new LanguageExample(Objects.requireNonNull(text, "text"), null, null, null);
  }

  /** A prompt and its completion, which is what is learned. */
  public static LanguageExample completion(String prompt, String completion) {
    return new LanguageExample(
        null,
        Objects.requireNonNull(prompt, "prompt"),
        Objects.requireNonNull(completion, "completion"),
        null);
  }

  /**
   * A conversation, of which the assistant's turns are learned.
   *
   * @throws IllegalArgumentException if it has no turns
   */
  public static LanguageExample conversation(List<Message> messages) {
    if (messages.isEmpty()) {
      throw new IllegalArgumentException("a conversation has at least one turn");
    }
    return new LanguageExample(null, null, null, List.copyOf(messages));
  }

  Example example(int row) {
    if (text != null) {
      return Example.of(row, text, null);
    }
    if (prompt != null) {
      return Example.ofPrompt(row, prompt, completion);
    }
    return Example.ofMessages(row, chat(messages));
  }

  static List<ChatMessage> chat(List<Message> messages) {
    return messages.stream().map(m -> ChatMessage.of(m.role(), m.content())).toList();
  }
}
