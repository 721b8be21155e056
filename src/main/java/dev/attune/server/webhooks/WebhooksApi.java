package dev.attune.server.webhooks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Page;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** {@code /v1/webhooks}, an extension: a tenant's webhooks. */
public final class WebhooksApi {
  private final Webhooks webhooks;

  /** Over all webhooks. */
  public WebhooksApi(Webhooks webhooks) {
    this.webhooks = webhooks;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(
        new Route("POST", "/v1/webhooks", Scope.TRAINING, this::create),
        new Route("GET", "/v1/webhooks", Scope.TRAINING, this::list),
        new Route("DELETE", "/v1/webhooks/{webhook}", Scope.TRAINING, this::delete));
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    String url = body.requiredText("url");
    List<String> events = events(body.list("events"));
    body.refuseOthers();
    Endpoint endpoint;
    try {
      endpoint = Endpoint.of(url, false);
    } catch (InputException e) {
      throw ApiException.badRequest("url", e.getMessage());
    }
    Webhook webhook = webhooks.create(exchange.caller().tenant(), endpoint, events);
    // The only time that anybody is told.
    exchange.answer(webhook.toJson().put("secret", webhook.secret()));
  }

  private static List<String> events(List<JsonNode> given) {
    if (given == null) {
      return Webhooks.EVENTS;
    }
    List<String> events = new ArrayList<>();
    for (JsonNode event : given) {
      if (!event.isTextual() || !Webhooks.EVENTS.contains(event.textValue())) {
        throw ApiException.badRequest(
            "events",
            "'events' has " + event + "; they are " + String.join(", ", Webhooks.EVENTS));
      }
      events.add(event.textValue());
    }
    if (events.isEmpty()) {
      throw ApiException.badRequest("events", "'events' is empty; leave it out for all");
    }
    return events;
  }

  private void list(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    List<Webhook> all = webhooks.list(exchange.caller().tenant());
    exchange.answer(
        new Page(null, Integer.MAX_VALUE).answer(all, Webhook::id, Webhook::toJson));
  }

  private void delete(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String id = exchange.parameter("webhook");
    webhooks.delete(exchange.caller().tenant(), id);
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    exchange.answer(body.put("id", id).put("object", "webhook.deleted").put("deleted", true));
  }
}
