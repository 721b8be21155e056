package dev.attune;

import dev.attune.data.Example;
import dev.attune.data.GoldAnswer;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * An example of question answering: a question on a text, and where the text answers it.
 *
 * @param question not null
 * @param context not null
 * @param answers of which the first is learned, and any counts as right in evaluation; none says
 *     that the context has no answer
 */
public record AnsweredQuestion(String question, String context, List<Span> answers) {
  /**
   * A part of a context.
   *
   * @param text not empty
   * @param start index of its first {@code char} in the context
   */
  public record Span(String text, int start) {
    public Span {
      if (text.isEmpty()) {
        throw new IllegalArgumentException(
            "an empty answer; a question without answer has no span");
      }
    }
  }

  public AnsweredQuestion {
    Objects.requireNonNull(question, "question");
    Objects.requireNonNull(context, "context");
    answers = List.copyOf(answers);
    for (Span answer : answers) {
      if (!context.startsWith(answer.text(), answer.start())) {
        throw new IllegalArgumentException(
            String.format(
                "the answer \"%s\" does not stand at %d in the context",
                answer.text(), answer.start()));
      }
    }
  }

  /** A question with one answer. */
  public AnsweredQuestion(String question, String context, String answer, int start) {
    this(question, context, List.of(new Span(answer, start)));
  }

  /** Offsets of chars become those of code points. */
  Example example(int row) {
    List<GoldAnswer> gold =
        answers.stream()
            .map(a -> new GoldAnswer(a.text(), context.codePointCount(0, a.start())))
            .toList();
    return Example.ofQuestion(row, question, context, gold, Map.of());
  }

  /** A question that the context does not answer. */
  public static AnsweredQuestion withoutAnswer(String question, String context) {
    return new AnsweredQuestion(question, context, List.of());
  }
}
