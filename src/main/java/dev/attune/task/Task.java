package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.model.HeadKind;
import java.util.Locale;

/** What a model is trained for. */
public enum Task {
  /** One label per text or pair: (B,K) logits. */
  CLASSIFICATION(HeadKind.SEQUENCE),
  /** One number per text or pair: (B,1) scores. */
  REGRESSION(HeadKind.SEQUENCE),
  /** One label per token: (N,K) logits. */
  TOKEN_CLASSIFICATION(HeadKind.TOKEN),
  /** The next token of every row: (N,V) logits. */
  CAUSAL_LM(HeadKind.LANGUAGE_MODEL);

  private final HeadKind head;

  Task(HeadKind head) {
    this.head = head;
  }

  /** The head that its models carry. */
  public HeadKind head() {
    return head;
  }

  /** The name used on the command line: {@code token-classification}. */
  public String option() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The task that a command line names; "ner" stands for token classification. */
  public static Task ofOption(String option) {
    String wanted = option.toLowerCase(Locale.ROOT);
    if (wanted.equals("ner")) {
      return TOKEN_CLASSIFICATION;
    }
    for (Task task : values()) {
      if (task.option().equals(wanted)) {
        return task;
      }
    }
    throw new InputException(
        "--task is '"
            + option
            + "'; allowed are classification, regression, token-classification and causal-lm");
  }
}
