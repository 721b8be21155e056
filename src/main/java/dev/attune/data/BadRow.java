package dev.attune.data;

import dev.attune.core.InputException;

/**
 * One row that cannot be read, in a file that can be read on behind it: the only fault of a source
 * of rows that may be left out.
 */
final class BadRow extends Exception {
  private static final long serialVersionUID = 1L;

  BadRow(String message) {
    super(message);
  }

  BadRow(String message, Throwable cause) {
    super(message, cause);
  }

  /** What stops the run where bad rows are not left out. */
  InputException reason() {
    return new InputException(getMessage(), this);
  }
}
