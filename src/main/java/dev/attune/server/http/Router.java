package dev.attune.server.http;

import dev.attune.core.InputException;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** Finds who answers a request, lets them, and turns what they throw into errors. */
public final class Router extends Handler.Abstract {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private final List<Route> routes;
  private final Function<String, Caller> callers;

  /**
   * @param callers who asks, by the header Authorization, which may be null; throws where it is not
   *     known
   */
  public Router(List<Route> routes, Function<String, Caller> callers) {
    this.routes = List.copyOf(routes);
    this.callers = callers;
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) {
    String id = Ids.next("req_");
    response.getHeaders().put("x-request-id", id);
    response.getHeaders().put("X-Content-Type-Options", "nosniff");
    response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
    try {
      answer(request, response, id);
      callback.succeeded();
    } catch (IOException e) {
      callback.failed(e); // the client has gone, or sends no more
    }
    return true;
  }

  private void answer(Request request, Response response, String id) throws IOException {
    Exchange exchange = new Exchange(request, response, Map.of(), null, id);
    try {
      dispatch(request, response, id);
    } catch (ApiException e) {
      refuse(exchange, response, e);
    } catch (InputException e) {
      refuse(exchange, response, ApiException.badRequest(null, e.getMessage()));
    } catch (EofException e) {
      throw e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      refuse(exchange, response, ApiException.unavailable("The server is ending", e));
    } catch (Exception e) {
      refuse(exchange, response, ApiException.internal(id, e));
    }
  }

  private void dispatch(Request request, Response response, String id) throws Exception {
    String path = Request.getPathInContext(request);
    String[] steps = path.split("/", -1);
    List<Route> here = routes.stream().filter(r -> r.match(steps).isPresent()).toList();
    Optional<Route> route =
        here.stream().filter(r -> r.method().equals(request.getMethod())).findFirst();
    if (route.isEmpty()) {
      throw here.isEmpty()
          ? ApiException.notFound(null, "There is no " + request.getMethod() + " " + path)
          : ApiException.badMethod(
              request.getMethod(),
              path,
              here.stream().map(Route::method).distinct().collect(Collectors.joining(", ")));
    }
    Caller caller = null;
    if (route.get().scope() != null) {
      caller = callers.apply(request.getHeaders().get(HttpHeader.AUTHORIZATION));
      caller.require(route.get().scope());
    }
    Map<String, String> parameters = route.get().match(steps).orElseThrow();
    route.get().handler().handle(new Exchange(request, response, parameters, caller, id));
  }

  private static void refuse(Exchange exchange, Response response, ApiException e)
      throws IOException {
    if (e.status() >= 500) {
      LOG.log(Level.ERROR, exchange.id() + ": " + e.getMessage(), e.getCause());
    }
    if (response.isCommitted()) {
      throw new IOException("the answer had begun", e);
    }
    response.reset();
    exchange.putHeader("x-request-id", exchange.id());
    exchange.answer(e.status(), e.toJson());
  }
}
