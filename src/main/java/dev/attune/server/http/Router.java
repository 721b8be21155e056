package dev.attune.server.http;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** Finds who answers a request, and whether they may. */
public final class Router extends Handler.Abstract {
  /** Requests that are worked on at a time; each has a thread. */
  private static final int MOST_AT_A_TIME = 512;

  private static final int IDLE_SECONDS = 30;

  /** The share of the heap that bodies may take: one in so many. */
  private static final int SHARE_OF_HEAP = 8;

  private final List<Route> routes;
  private final Gate gate;
  private final Origins origins;
  private final AccessLog log;
  private final BodyMemory memory;
  private final ThreadPoolExecutor workers;
  private HeaderDeadline deadline;
  private long patienceMillis;
  private volatile boolean ends;

  /**
   * @param localHost the server's host, where only this machine is answered; null: others are too
   */
  public Router(List<Route> routes, Gate gate, String localHost, Metrics metrics) {
    this.routes = List.copyOf(routes);
    this.gate = gate;
    this.origins = new Origins(localHost);
    this.log = new AccessLog(metrics);
    this.memory =
        new BodyMemory(
            Math.max(4L * Body.MOST_BYTES, Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP));
    AtomicInteger number = new AtomicInteger();
    this.workers =
        new ThreadPoolExecutor(
            0,
            MOST_AT_A_TIME,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            task -> new Thread(task, "attune-request-" + number.incrementAndGet()));
    metrics.gauge(
        "attune_http_requests_active", "Requests that are worked on", workers::getActiveCount);
  }

  /**
   * Tells of requests that begin and end.
   *
   * @param patience milliseconds for which a thread waits for a client that does not read
   */
  void follow(HeaderDeadline followed, long patience) {
    deadline = followed;
    patienceMillis = patience;
  }

  /** Lets streams of events end: the server is about to. */
  public void end() {
    ends = true;
  }

  @Override
  protected void doStop() throws Exception {
    super.doStop();
    workers.shutdownNow();
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) {
    Connection connection = request.getConnectionMetaData().getConnection();
    deadline.begun(connection);
    Request.addCompletionListener(request, failure -> deadline.ended(connection));
    String id = Ids.next("req_");
    response.getHeaders().put("x-request-id", id);
    response.getHeaders().put("X-Content-Type-Options", "nosniff");
    response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
    Route route = null;
    Caller caller = null;
    Map<String, String> parameters = Map.of();
    ApiException refusal = null;
    try {
      origins.check(request);
      List<String> steps = Steps.of(request.getHttpURI().getPath());
      route = route(request, response, steps);
      parameters = route.match(steps).orElseThrow();
      if (route.scope() != null) {
        caller = gate.admit(request.getHeaders().get(HttpHeader.AUTHORIZATION));
        caller.require(route.scope());
      }
    } catch (ApiException e) {
      refusal = e;
    } catch (RuntimeException e) {
      refusal = ApiException.internal(id, e);
    }
    log.follow(request, response, id, route, caller);
    Exchange exchange =
        new Exchange(request, response, parameters, caller, id, surroundings(caller));
    Call call = new Call(route, exchange, request, response, callback, workers);
    if (refusal == null) {
      call.begin(memory);
    } else {
      call.refuse(refusal);
    }
    return true;
  }

  private Exchange.Surroundings surroundings(Caller caller) {
    return new Exchange.Surroundings(() -> ends, () -> gate.stillAdmits(caller), patienceMillis);
  }

  private Route route(Request request, Response response, List<String> steps) {
    String method = request.getMethod();
    List<Route> here = routes.stream().filter(r -> r.match(steps).isPresent()).toList();
    Optional<Route> route = here.stream().filter(r -> r.answers(method)).findFirst();
    if (route.isPresent()) {
      return route.get();
    }
    String path = "/" + String.join("/", steps.subList(1, steps.size()));
    if (here.isEmpty()) {
      throw ApiException.notFound(null, "There is no " + method + " " + path);
    }
    String allowed = String.join(", ", new TreeSet<>(here.stream().map(Route::method).toList()));
    response.getHeaders().put(HttpHeader.ALLOW, allowed);
    throw ApiException.badMethod(method, path, allowed);
  }
}
