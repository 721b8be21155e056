package dev.attune;

import java.util.Objects;

/**
 * A question on a text.
 *
 * @param question not null
 * @param context the text to find the answer in, of any length; not null
 */
public record Question(String question, String context) {
  public Question {
    Objects.requireNonNull(question, "question");
    Objects.requireNonNull(context, "context");
  }
}
