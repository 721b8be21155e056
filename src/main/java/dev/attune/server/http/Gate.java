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

  /**
   * Whether who was let in would be now: asked about once a second of a request that takes long.
   */
  default boolean stillAdmits(Caller caller) {
    return true;
  }
}
