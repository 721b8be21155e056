package dev.attune.server.http;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.System.Logger.Level;
import java.time.Instant;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;

/**
 * A line for each request that has ended, as a JSON object. It holds neither bodies nor queries nor
 * keys, of which it names the id.
 */
public final class AccessLog {
  /** The logger's name. */
  public static final String NAME = "dev.attune.server.access";

  /** The status of a request whose client hung up before it could be answered, as nginx has it. */
  private static final int GONE = 499;

  private static final String IS_UNANSWERED = AccessLog.class.getName() + ".unanswered";

  private static final System.Logger LOG = System.getLogger(NAME);

  private final Metrics.Counter requests;
  private final Metrics.Histogram seconds;

  AccessLog(Metrics metrics) {
    requests =
        metrics.counter(
            "attune_http_requests", "Requests that have ended", "method", "route", "status");
    seconds =
        metrics.histogram(
            "attune_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer",
            "route");
  }

  /** Notes that the client of a request has hung up before anything of an answer was sent. */
  static void noteUnanswered(Request request) {
    request.setAttribute(IS_UNANSWERED, true);
  }

  /** Hears when a request ends. */
  void follow(Request request, Response response, String id, Route route, Caller caller) {
    long began = System.nanoTime();
    Request.addCompletionListener(
        request,
        failure -> note(request, response, id, route, caller, System.nanoTime() - began, failure));
  }

  private void note(
      Request request,
      Response response,
      String id,
      Route route,
      Caller caller,
      long nanos,
      Throwable failure) {
    String path = route == null ? "none" : route.path();
    String method = route == null ? "any" : route.method();
    boolean isAnswered = request.getAttribute(IS_UNANSWERED) == null;
    int status = isAnswered ? response.getStatus() : GONE;
    requests.add(1, method, path, Integer.toString(status));
    seconds.observe(nanos / 1e9, path);
    if (!LOG.isLoggable(Level.INFO)) {
      return;
    }
    ObjectNode line = JsonNodeFactory.instance.objectNode();
    line.put("time", Instant.now().toString());
    line.put("request", id);
    line.put("remote", Request.getRemoteAddr(request));
    line.put("method", request.getMethod());
    line.put("path", request.getHttpURI().getPath());
    line.put("status", status);
    line.put("milliseconds", nanos / 1_000_000);
    line.put("bytes_in", Request.getContentBytesRead(request));
    line.put("bytes_out", Response.getContentBytesWritten(response));
    if (caller != null) {
      line.put("tenant", caller.tenant());
      line.put("key", caller.keyId());
    }
    if (failure != null) {
      line.put("broken_off", failure.getClass().getSimpleName());
    }
    LOG.log(Level.INFO, line.toString());
  }
}
