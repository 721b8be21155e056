package dev.attune.kernels;

/** A fault inside a backend that is not the caller's: a lost device, an internal failure. */
public final class BackendException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public BackendException(String message) {
    super(message);
  }

  public BackendException(String message, Throwable cause) {
    super(message, cause);
  }
}
