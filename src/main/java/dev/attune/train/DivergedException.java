package dev.attune.train;

/** The loss or its gradient stopped being a number. The weights are those before the bad step. */
public final class DivergedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DivergedException(String message) {
    super(message);
  }
}
