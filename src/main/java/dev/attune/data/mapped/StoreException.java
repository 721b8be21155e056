package dev.attune.data.mapped;

import dev.attune.core.InterruptedCallException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.NoSuchFileException;

/** A store that is not what it was when it was written, or cannot be read. */
public final class StoreException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  StoreException(String message) {
    super(message);
  }

  private StoreException(String message, Throwable cause) {
    super(message, cause);
  }

  /** What to throw where a file could not be read or written. */
  static RuntimeException of(String what, IOException e) {
    return e instanceof ClosedByInterruptException
        ? new InterruptedCallException("interrupted: " + what)
        : new StoreException(what + ": " + reason(e), e);
  }

  private static String reason(IOException e) {
    if (e instanceof NoSuchFileException missing) {
      return missing.getFile() + " is missing";
    }
    return JsonProblem.of(e);
  }
}
