package dev.attune.core;

/**
 * Something the user gave is wrong: a file, a column, an option. The message names the value, the
 * allowed range and the likely fix; the command line prints it alone, without a stack trace, and
 * ends with status 2.
 */
public class InputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public InputException(String message) {
    super(message);
  }

  public InputException(String message, Throwable cause) {
    super(message, cause);
  }
}
