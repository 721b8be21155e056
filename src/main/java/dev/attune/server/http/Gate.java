package dev.attune.server.http;

/** Knows who asks. */
public interface Gate {
  /**
   * Lets a request in, which counts for its tenant.
   *
   * @param authorization the header of that name; null: there is none
   * @throws ApiException if it is not known who asks, or they ask too often
   */
  Caller admit(String authorization);
}
