package dev.attune.model;

/** What stands on a transformer's body: all that a model knows of the task it serves. */
public enum HeadKind {
  /** One vector of K outputs per sequence: (B,K). */
  SEQUENCE,
  /** K outputs per row: (N,K). */
  TOKEN,
  /** Two outputs per row, for the first and the last row of a span: (N,2). */
  SPAN,
  /** The vocabulary on every row; its product is taken by the loss: hidden states (N,C). */
  LANGUAGE_MODEL,
  /**
   * The vocabulary behind a dense layer and its norm, on the rows that are masked alone: hidden
   * states (N,C).
   */
  MASKED_LANGUAGE_MODEL,
  /** One output per row behind a dense layer: whether another token stood there, (N,1). */
  REPLACED_TOKENS,
  /** Nothing, but the rows of each sequence become one: (B,C). */
  POOLED,
  /** Nothing: the hidden states (N,C) themselves. */
  NONE;

  /** Whether it is one of those that a family may have or not. */
  boolean isOfFamily() {
    return this == SEQUENCE || isOfRows();
  }

  /** Whether a causal decoder can carry it: other rows would have to see what follows them. */
  boolean fitsDecoders() {
    return !isOfRows();
  }

  /** Whether it reads every row, which has to see all others. */
  private boolean isOfRows() {
    return this == TOKEN || this == SPAN || isPretrained();
  }

  /** Whether it is a part of what was pretrained. */
  boolean isPretrained() {
    return this == MASKED_LANGUAGE_MODEL || this == REPLACED_TOKENS;
  }

  /** Whether the last product is over the vocabulary, and taken by the loss. */
  boolean hasVocabulary() {
    return this == LANGUAGE_MODEL || this == MASKED_LANGUAGE_MODEL;
  }
}
