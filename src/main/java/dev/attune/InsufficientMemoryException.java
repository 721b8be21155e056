package dev.attune;

/**
 * There is no room for what was asked for; the message says how much was wanted, for what, and what
 * would take less.
 */
public final class InsufficientMemoryException extends AttuneException {
  private static final long serialVersionUID = 1L;

  InsufficientMemoryException(String message, Throwable cause) {
    super(message, cause);
  }
}
