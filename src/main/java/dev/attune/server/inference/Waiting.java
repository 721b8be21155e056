package dev.attune.server.inference;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Exchange;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.io.EofException;

/** Waits for an answer for as long as somebody wants it. */
final class Waiting {
  private static final long LOOK_MILLIS = 200;

  private Waiting() {}

  /**
   * The answer.
   *
   * @param answer null: too many wait
   * @throws EofException if the client has gone; the question is taken back
   */
  static <T> T on(CompletableFuture<T> answer, Exchange exchange)
      throws InterruptedException, EofException {
    if (answer == null) {
      throw ApiException.busy("The model has enough to do; ask again later", 1);
    }
    while (true) {
      try {
        return answer.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        try {
          exchange.checkCaller();
        } catch (ApiException refusal) {
          answer.cancel(false);
          throw refusal;
        }
        if (exchange.clientIsGone()) {
          answer.cancel(false);
          throw new EofException("the client has gone");
        }
      } catch (ExecutionException e) {
        throw e.getCause() instanceof RuntimeException reason
            ? reason
            : new IllegalStateException(e.getCause());
      }
    }
  }
}
