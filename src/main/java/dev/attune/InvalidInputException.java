package dev.attune;

/** Something that was given is wrong: an example, a file, a model folder, an option. */
public final class InvalidInputException extends AttuneException {
  private static final long serialVersionUID = 1L;

  InvalidInputException(String message, Throwable cause) {
    super(message, cause);
  }
}
