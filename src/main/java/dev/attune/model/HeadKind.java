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
  /** Nothing, but the rows of each sequence become one: (B,C). */
  POOLED,
  /** Nothing: the hidden states (N,C) themselves. */
  NONE;

  /** Whether it is one of those that a family may have or not. */
  boolean isOfFamily() {
    return this == SEQUENCE || this == TOKEN || this == SPAN || this == MASKED_LANGUAGE_MODEL;
  }

  /** Whether a causal decoder can carry it: other rows would have to see what follows them. */
  boolean fitsDecoders() {
    return this != TOKEN && this != SPAN && this != MASKED_LANGUAGE_MODEL;
  }

  /** Whether the last product is over the vocabulary, and taken by the loss. */
  boolean hasVocabulary() {
    return this == LANGUAGE_MODEL || this == MASKED_LANGUAGE_MODEL;
  }
}
