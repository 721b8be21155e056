package dev.attune.model;

import dev.attune.core.InputException;
import java.util.Locale;

/** What a head predicts. */
public enum Task {
  /** One label per text or pair: (B,K) logits. */
  CLASSIFICATION,
  /** One number per text or pair: (B,1) scores. */
  REGRESSION,
  /** One label per token: (N,K) logits. */
  TOKEN_CLASSIFICATION,
  /** The next token of every row: (N,V) logits. */
  CAUSAL_LM;

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
