package dev.attune.server.database;

import java.io.IOException;
import java.io.UncheckedIOException;

/** The disk has no room for what the journal was to note: nothing was changed. */
public final class JournalFullException extends UncheckedIOException {
  private static final long serialVersionUID = 1;

  JournalFullException(String message, IOException cause) {
    super(message, cause);
  }
}
