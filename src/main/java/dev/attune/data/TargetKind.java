package dev.attune.data;

/** What an example is trained towards. */
public enum TargetKind {
  /** One class of a label map. */
  CLASS,
  /** One real number: regression. */
  NUMBER,
  /** One tag a word: token classification. */
  TAGS,
  /** Each next token of a text, a completion or an assistant's turns: causal language modelling. */
  NEXT_TOKEN,
  /** Nothing in the file: prediction, embedding. */
  NONE;

  /** Whether there is a label a token (N) rather than one an example. */
  public boolean isPerToken() {
    return this == TAGS || this == NEXT_TOKEN;
  }
}
