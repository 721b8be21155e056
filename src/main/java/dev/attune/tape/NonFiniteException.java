package dev.attune.tape;

/** An op made values that are infinite or NaN: names it, its layer and the tensor. */
public final class NonFiniteException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public NonFiniteException(String message) {
    super(message);
  }
}
