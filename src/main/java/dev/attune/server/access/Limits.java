package dev.attune.server.access;

/**
 * What one tenant may have.
 *
 * @param fileBytes of all its files together
 * @param jobs that wait or run at a time
 * @param requestsPerMinute of all its keys together
 * @param sessions in which it trains step by step
 */
public record Limits(long fileBytes, int jobs, int requestsPerMinute, int sessions) {
  /** No bounds but the machine's. */
  public static final Limits NONE =
      new Limits(Long.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE);
}
