package dev.attune.server.inference;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.EventStream;
import dev.attune.server.http.Exchange;
import java.io.IOException;
import java.lang.System.Logger.Level;

/** What streams of answers have in common. */
final class Streams {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private Streams() {}

  /** Tells of a failure in a stream that has begun, as OpenAI does: the status is sent already. */
  static void fail(Exchange exchange, EventStream events, RuntimeException e)
      throws IOException {
    ApiException reason;
    if (e instanceof ApiException known) {
      reason = known;
    } else {
      LOG.log(Level.ERROR, exchange.id() + ": a stream of answers failed", e);
      reason =
          ApiException.unavailable(
              "The server had an error while it answered. Its log has the cause under "
                  + exchange.id(),
              e);
    }
    events.send(reason.toJson());
  }
}
