package dev.attune;

/**
 * The loss stopped being finite. No model was written; the weights of the step before are those of
 * the last checkpoint, if there is one.
 */
public final class TrainingDivergedException extends AttuneException {
  private static final long serialVersionUID = 1L;

  TrainingDivergedException(String message, Throwable cause) {
    super(message, cause);
  }
}
