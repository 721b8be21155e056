package dev.attune.server.models;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.util.List;

/** Which models there are: {@code /v1/models}. */
public final class ModelsApi {
  private final ModelCatalog catalog;

  public ModelsApi(ModelCatalog catalog) {
    this.catalog = catalog;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(
        new Route("GET", "/v1/models", Scope.INFERENCE, this::list),
        new Route("GET", "/v1/models/{model}", Scope.INFERENCE, this::retrieve),
        new Route("DELETE", "/v1/models/{model}", Scope.TRAINING, this::delete));
  }

  private void list(Exchange exchange) throws IOException {
    String checkpoints = exchange.query("checkpoints");
    exchange.refuseOtherQueries();
    if (checkpoints != null && !checkpoints.equals("true") && !checkpoints.equals("false")) {
      throw ApiException.badRequest(
          "checkpoints", "'checkpoints' is '" + checkpoints + "'; it must be true or false");
    }
    boolean hasAll = "true".equals(checkpoints);
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("object", "list");
    ArrayNode data = body.putArray("data");
    catalog.list(exchange.caller().tenant()).stream()
        .filter(model -> hasAll || !model.isCheckpoint())
        .forEach(model -> data.add(model.toJson()));
    exchange.answer(body);
  }

  private void retrieve(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    exchange.answer(catalog.find(exchange.caller().tenant(), exchange.parameter("model")).toJson());
  }

  private void delete(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String id = exchange.parameter("model");
    catalog.remove(exchange.caller().tenant(), id);
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("id", id);
    body.put("object", "model");
    body.put("deleted", true);
    exchange.answer(body);
  }
}
