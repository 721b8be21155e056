package dev.attune.server.access;

/**
 * What one tenant may have.
 *
 * @param fileBytes of all its files together
 * @param jobs that wait or run at a time
 * @param requestsPerMinute of all its keys together
 * @param sessions in which it trains step by step
 * @param models that were tuned, those among them that its jobs are going to make
 * @param modelBytes of these, of checkpoints and versions, and of states of sessions
 */
public record Limits(
    long fileBytes, int jobs, int requestsPerMinute, int sessions, int models, long modelBytes) {
  /** No bounds but the machine's. */
  public static final Limits NONE =
      new Limits(
          Long.MAX_VALUE,
          Integer.MAX_VALUE,
          Integer.MAX_VALUE,
          Integer.MAX_VALUE,
          Integer.MAX_VALUE,
          Long.MAX_VALUE);
}
