package dev.attune.server.training;

import dev.attune.server.http.Metrics;

/** What is told of calls that have been done. */
final class CallMetrics {
  private final Metrics.Counter calls;
  private final Metrics.Histogram seconds;

  CallMetrics(Metrics metrics) {
    calls =
        metrics.counter(
            "attune_training_calls",
            "Calls of training sessions that have ended",
            "kind",
            "status");
    seconds =
        metrics.histogram(
            "attune_training_call_duration_seconds", "How long calls were worked on", "kind");
  }

  void done(String kind, Call.Status status, long nanos) {
    calls.add(1, kind, status.word());
    seconds.observe(nanos / 1e9, kind);
  }
}
