package dev.attune.task;

import static dev.attune.core.Count.many;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.TokenLengths;

/** The rules of the data report on questions and their answers. */
final class QuestionFindings {
  private final Findings found;

  QuestionFindings(Findings found) {
    this.found = found;
  }

  /**
   * Looks at all rows.
   *
   * @param mayHaveNone whether the model may say that there is no answer
   */
  void examine(Task task, boolean mayHaveNone) {
    found.examples(
        Severity.FATAL,
        "empty_text",
        task::isEmpty,
        n -> many(n, "row has", "rows have") + " no question, or no context");
    found.examples(
        Severity.FATAL,
        "missing_label",
        example -> example.answers() == null,
        n ->
            found
                .data()
                .reading()
                .advised(
                    many(n, "row does", "rows do")
                        + " not say the answers; an empty list or text says that there is none"));
    found.examples(
        Severity.FATAL,
        "misplaced_answer",
        example -> !task.isEmpty(example) && hasAnswers(example) && misplacement(example) != null,
        n ->
            many(n, "answer cannot", "answers cannot")
                + " be found in the context (first: "
                + found.data().examples().stream()
                    .filter(e -> !task.isEmpty(e) && hasAnswers(e))
                    .map(e -> misplacement(e))
                    .filter(problem -> problem != null)
                    .findFirst()
                    .orElseThrow()
                + ")");
    found.examples(
        Severity.WARNING,
        "different_answer",
        example -> !task.isEmpty(example) && hasAnswers(example) && isAnotherText(example),
        n ->
            many(n, "answer is", "answers are")
                + " written otherwise, in case or white space, than at its place in the context;"
                + " what stands there is learned");
    found.examples(
        found.isTraining() || mayHaveNone ? Severity.NOTE : Severity.WARNING,
        "no_answer",
        example -> example.answers() != null && example.answers().isEmpty(),
        n ->
            many(n, "question has", "questions have")
                + " no answer"
                + (mayHaveNone ? "" : "; the training set has none of these"));
  }

  private static boolean hasAnswers(Example example) {
    return example.answers() != null && !example.answers().isEmpty();
  }

  private String misplacement(Example example) {
    try {
      AnswerWindows.span(found.data(), example);
      return null;
    } catch (InputException e) {
      return e.getMessage();
    }
  }

  private boolean isAnotherText(Example example) {
    return misplacement(example) == null && !example.answers().get(0).isExactIn(example.textPair());
  }

  /** Answers that no window holds. */
  void examineLengths(TokenLengths tokens) {
    found.rows(
        Severity.WARNING,
        "unsupervised_rows",
        i -> tokens.supervised().get(i) == 0 && hasAnswers(found.data().get(i)),
        n ->
            many(n, "answer fits", "answers fit")
                + " in no window: as if the question had none. Give a larger "
                + Term.MAX_LENGTH
                + " or "
                + Term.DOC_STRIDE);
  }
}
