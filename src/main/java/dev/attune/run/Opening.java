package dev.attune.run;

import java.util.ArrayDeque;
import java.util.Deque;

/** What is open already, for when the rest cannot be opened. */
final class Opening {
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  /** Adds what may be null. */
  <T extends AutoCloseable> T add(T opened) {
    if (opened != null) {
      open.push(opened);
    }
    return opened;
  }

  /** Closes all of it, the last first, whatever comes of that beside the failure. */
  void closeAfter(Throwable failure) {
    for (AutoCloseable each : open) {
      try {
        each.close();
      } catch (Exception | Error e) {
        if (e != failure) { // else what was never opened tells once more why
          failure.addSuppressed(e);
        }
      }
    }
  }
}
