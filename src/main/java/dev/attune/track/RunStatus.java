package dev.attune.track;

import java.util.Locale;
import java.util.stream.Stream;

/** What became of a run. */
public enum RunStatus {
  RUNNING,
  /** It came to its end, early stopping included. */
  FINISHED,
  /** An error ended it. */
  FAILED,
  /** It was stopped on request, or its process is gone: it can be resumed from a checkpoint. */
  INTERRUPTED,
  /** Another version of Attune wrote what became of it, in a word that this one does not know. */
  UNKNOWN;

  /** The one that a store notes by this name. */
  static RunStatus of(String noted) {
    return Stream.of(values())
        .filter(status -> status.name().equals(noted))
        .findFirst()
        .orElse(UNKNOWN);
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
