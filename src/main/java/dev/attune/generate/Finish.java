package dev.attune.generate;

/** Why a text ended. */
public enum Finish {
  /** The model said so, with an end-of-sequence token. */
  END,
  /** The listener said so: a stop string. */
  STOP,
  /** The limit on new tokens was reached. */
  LENGTH,
  /** The model has no position for another token. */
  CONTEXT,
  /** Whoever asked does not want it any more. */
  CANCELLED
}
