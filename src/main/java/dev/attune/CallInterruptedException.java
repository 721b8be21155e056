package dev.attune;

/**
 * The thread was interrupted, and the call has ended in good order: what it was made on can be used
 * further. The thread's interrupt flag is set.
 */
public final class CallInterruptedException extends AttuneException {
  private static final long serialVersionUID = 1L;

  CallInterruptedException(String message, Throwable cause) {
    super(message, cause);
  }
}
