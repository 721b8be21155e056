package dev.attune.server.jobs;

import java.util.Locale;

/** Where a job stands, as OpenAI's clients know it. */
enum JobStatus {
  VALIDATING_FILES,
  QUEUED,
  RUNNING,
  PAUSED,
  SUCCEEDED,
  FAILED,
  CANCELLED;

  static JobStatus of(String word) {
    return valueOf(word.toUpperCase(Locale.ROOT));
  }

  /** As clients and the journal have it. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether nothing follows. */
  boolean isEnd() {
    return this == SUCCEEDED || this == FAILED || this == CANCELLED;
  }
}
