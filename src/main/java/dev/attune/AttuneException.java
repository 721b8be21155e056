package dev.attune;

/**
 * What goes wrong in this library: its subclasses say what kind of thing it was. The message names
 * the value, the allowed range and the likely fix. Use after close is an {@link
 * IllegalStateException}, as everywhere in Java.
 */
public class AttuneException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  AttuneException(String message, Throwable cause) {
    super(message, cause);
  }
}
