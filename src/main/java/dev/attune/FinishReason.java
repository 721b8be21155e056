package dev.attune;

/** Why a generated text ended. */
public enum FinishReason {
  /** The model said so, with an end-of-sequence token. */
  END,
  /** A stop string came. */
  STOP,
  /** The limit on new tokens was reached. */
  LENGTH,
  /** The model has no position for another token. */
  CONTEXT
}
