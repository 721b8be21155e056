package dev.attune.track;

import java.util.Locale;

/** What became of a run. */
public enum RunStatus {
  RUNNING,
  /** It came to its end, early stopping included. */
  FINISHED,
  /** An error ended it. */
  FAILED,
  /** It was stopped on request, or its process is gone: it can be resumed from a checkpoint. */
  INTERRUPTED;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
