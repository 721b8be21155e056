package dev.attune.server.training;

import dev.attune.server.http.ApiException;

/** Memory of all calls that wait, of all sessions: a share of the heap. */
final class WaitingBytes {
  private final long most;
  private long bytes;

  WaitingBytes(long most) {
    this.most = most;
  }

  /**
   * Takes some, which is to be given back.
   *
   * @throws ApiException if too much waits
   */
  synchronized void take(long needed) {
    if (bytes + needed > most) {
      throw ApiException.busy("Too many large calls wait on this server; ask again later");
    }
    bytes += needed;
  }

  synchronized void give(long freed) {
    bytes -= freed;
  }
}
