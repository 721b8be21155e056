package dev.attune.core;

/**
 * The thread was interrupted, and what it did was ended in good order. The thread's interrupt flag
 * is set again when this is thrown.
 */
public final class InterruptedCallException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public InterruptedCallException(String message) {
    super(message);
  }

  /** Throws if the thread's interrupt flag is set, which stays so. */
  public static void check(String doing) {
    if (Thread.currentThread().isInterrupted()) {
      throw new InterruptedCallException("interrupted while " + doing);
    }
  }
}
