package dev.attune.server.http;

import dev.attune.core.InputException;
import dev.attune.server.database.JournalFullException;
import dev.attune.server.http.Exchange.Answer;
import dev.attune.server.http.Route.Receiving;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.http.HttpException;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpHeaderValue;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * A request on its way. No thread waits for its body, nor for the client to take the answer: a
 * thread is given to it only for as long as it is worked on.
 */
final class Call {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");
  private static final Set<String> WITH_BODY = Set.of("POST", "PUT", "PATCH");

  /** Of a request that was refused, what is read so that the client comes to read the answer. */
  private static final long MOST_IGNORED_BYTES = 64L << 20;

  private static final long MOST_IGNORED_NANOS = 2_000_000_000L;

  /** A body that comes more slowly than this, after some patience, holds a place for nothing. */
  private static final long LEAST_BYTES_PER_SECOND = 64;

  private static final long PATIENCE_NANOS = 20_000_000_000L;

  private final Route route;
  private final Exchange exchange;
  private final Request request;
  private final Response response;
  private final Callback callback;
  private final Executor workers;
  private Receiving receiving; // null: there is nothing to receive
  private long began;
  private long received;
  private boolean isRead; // to its end

  Call(
      Route route,
      Exchange exchange,
      Request request,
      Response response,
      Callback callback,
      Executor workers) {
    this.route = route;
    this.exchange = exchange;
    this.request = request;
    this.response = response;
    this.callback = callback;
    this.workers = workers;
  }

  /** Reads the body, then lets the route answer. Returns before that is done. */
  void begin(BodyMemory memory) {
    try {
      if (route.receiver() != null) {
        receiving = route.receiver().begin(exchange);
      } else if (WITH_BODY.contains(request.getMethod())) {
        receiving =
            new Body(
                memory, request.getLength(), request.getHeaders().get(HttpHeader.CONTENT_ENCODING));
      }
    } catch (Throwable e) {
      refuse(e);
      return;
    }
    if (receiving == null) {
      isRead = true; // a body that means nothing is left to the connection
      work();
    } else {
      // While it is worked on, a silent client is none that has gone.
      request.addIdleTimeoutListener(timeout -> false);
      began = System.nanoTime();
      receive();
    }
  }

  /** Takes what has come, and is called again when there is more. */
  private void receive() {
    try {
      while (!isRead) {
        Content.Chunk chunk = request.read();
        if (chunk == null) {
          request.demand(this::receive);
          return;
        }
        if (Content.Chunk.isFailure(chunk)) {
          lost(chunk.getFailure());
          return;
        }
        take(chunk);
      }
    } catch (Throwable e) {
      refuse(e);
      return;
    }
    work();
  }

  private void take(Content.Chunk chunk) throws Exception {
    try {
      received += chunk.remaining();
      if (chunk.hasRemaining()) {
        receiving.take(chunk.getByteBuffer());
      }
      isRead = chunk.isLast();
      long nanos = System.nanoTime() - began;
      if (!isRead
          && nanos > PATIENCE_NANOS
          && received < nanos / 1_000_000_000L * LEAST_BYTES_PER_SECOND) {
        throw ApiException.tooSlow(
            "The body came at less than " + LEAST_BYTES_PER_SECOND + " bytes a second");
      }
    } finally {
      chunk.release();
    }
  }

  /** Nothing more comes: the client has gone, has fallen silent, or has sent what is no HTTP. */
  private void lost(Throwable reason) {
    if (reason instanceof TimeoutException) {
      refuse(ApiException.tooSlow("The body did not come to its end: nothing more was sent"));
    } else if (reason instanceof HttpException bad) {
      refuse(ApiException.badRequest(null, "The body is no HTTP: " + bad.getReason()));
    } else {
      close();
      gone(reason);
    }
  }

  /** The client has hung up. */
  private void gone(Throwable reason) {
    if (!response.isCommitted()) {
      AccessLog.noteUnanswered(request);
    }
    callback.failed(reason);
  }

  private void work() {
    try {
      workers.execute(this::answer);
    } catch (RejectedExecutionException e) {
      refuse(ApiException.overloaded("The server works on too many requests; ask again later"));
    }
  }

  private void answer() {
    try {
      if (route.receiver() != null) {
        receiving.answer();
      } else {
        if (receiving instanceof Body body) {
          exchange.receive(body.whole());
        }
        route.handler().handle(exchange);
      }
    } catch (Throwable e) {
      refuse(e);
      return;
    }
    close();
    if (exchange.stream() != null) {
      endStream();
    } else if (exchange.answer() == null) {
      refuse(new IllegalStateException(route + " did not answer"));
    } else {
      send();
    }
  }

  private void close() {
    if (receiving != null) {
      try {
        receiving.close();
      } catch (Exception e) {
        LOG.log(Level.ERROR, exchange.id() + ": what was received could not be closed", e);
      }
      receiving = null;
    }
  }

  /** Sends what the exchange was answered with. */
  private void send() {
    Answer answer = exchange.answer();
    response.setStatus(answer.status());
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, answer.type());
    response.getHeaders().put(HttpHeader.CONTENT_LENGTH, answer.length());
    if (!isRead) {
      response.getHeaders().put(HttpHeader.CONNECTION, HttpHeaderValue.CLOSE.asString());
    }
    Content.copy(answer.content(), response, Callback.from(this::sent, callback::failed));
  }

  /**
   * A client that sends still may not look at the answer before it has sent all, and would lose it
   * if the connection were closed under it.
   */
  private void sent() {
    if (isRead) {
      callback.succeeded();
    } else {
      began = System.nanoTime();
      received = 0;
      ignore();
    }
  }

  private void ignore() {
    while (received < MOST_IGNORED_BYTES && System.nanoTime() - began < MOST_IGNORED_NANOS) {
      Content.Chunk chunk = request.read();
      if (chunk == null) {
        request.demand(this::ignore);
        return;
      }
      if (Content.Chunk.isFailure(chunk)) {
        break;
      }
      received += chunk.remaining();
      chunk.release();
      if (chunk.isLast()) {
        break;
      }
    }
    callback.succeeded();
  }

  private void endStream() {
    try {
      exchange.stream().close();
      callback.succeeded();
    } catch (IOException e) {
      callback.failed(e); // the client has gone
    }
  }

  /** Says why there is no answer, where that can still be said. */
  void refuse(Throwable reason) {
    close();
    if (reason instanceof EofException) { // who worked for it has noticed that the client has gone
      gone(reason);
      return;
    }
    ApiException said = said(reason);
    if (said.status() >= 500) {
      LOG.log(Level.ERROR, exchange.id() + ": " + said.getMessage(), said.getCause());
    }
    try {
      if (exchange.stream() != null) {
        if (!(reason instanceof IOException)) { // of which most mean that the client has gone
          exchange.stream().fail(said);
        }
        endStream();
        return;
      }
      exchange.refuse(said);
    } catch (IOException | RuntimeException e) {
      callback.failed(e);
      return;
    }
    isRead = isRead || request.consumeAvailable();
    send();
  }

  private ApiException said(Throwable reason) {
    if (reason instanceof ApiException e) {
      return e;
    }
    if (reason instanceof InputException e) {
      return ApiException.badRequest(null, e.getMessage());
    }
    if (reason instanceof HttpException bad && bad.getCode() < 500) {
      return ApiException.badRequest(null, "The request cannot be read: " + bad.getReason());
    }
    if (reason instanceof JournalFullException e) {
      return ApiException.noRoom(
          "The server's disk is full: nothing can be noted, and nothing was changed. Delete files or"
              + " models, or ask who runs this server for room",
          e);
    }
    if (reason instanceof InterruptedException e) {
      Thread.currentThread().interrupt();
      return ApiException.unavailable("The server is ending", e);
    }
    return ApiException.internal(exchange.id(), reason);
  }
}
