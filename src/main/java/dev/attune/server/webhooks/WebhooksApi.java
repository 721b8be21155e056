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

/** {@code /v1/webhook_endpoints}: a tenant's webhooks, as OpenAI's clients manage them. */
public final class WebhooksApi {
  private static final String ALL = "/v1/webhook_endpoints";
  private static final String ONE = ALL + "/{webhook}";
  private static final int LONGEST_NAME = 256;

  private final Webhooks webhooks;

  /** Over all webhooks. */
  public WebhooksApi(Webhooks webhooks) {
    this.webhooks = webhooks;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(
        new Route("POST", ALL, Scope.TRAINING, this::create),
        new Route("GET", ALL, Scope.TRAINING, this::list),
        new Route("GET", ONE, Scope.TRAINING, this::retrieve),
        new Route("POST", ONE, Scope.TRAINING, this::update),
        new Route("DELETE", ONE, Scope.TRAINING, this::delete),
        new Route("POST", ONE + "/rotate_secret", Scope.TRAINING, this::rotate),
        new Route("POST", ONE + "/test", Scope.TRAINING, this::test));
  }

  private Webhook named(Exchange exchange) {
    exchange.refuseOtherQueries();
    return webhooks.find(exchange.caller().tenant(), exchange.parameter("webhook"));
  }

  private static Endpoint endpoint(String url) {
    try {
      Endpoint endpoint = Endpoint.of(url, false);
      endpoint.checkPublic();
      return endpoint;
    } catch (InputException e) {
      throw ApiException.badRequest("url", e.getMessage());
    }
  }

  private static String checked(String name) {
    if (name.length() > LONGEST_NAME) {
      throw ApiException.badRequest(
          "name",
          "'name' has more than " + LONGEST_NAME + " characters, the most that it may have");
    }
    return name;
  }

  private static List<String> events(List<JsonNode> given) {
    List<String> events = new ArrayList<>();
    for (JsonNode event : given) {
      if (!event.isTextual() || !Webhooks.EVENTS.contains(event.textValue())) {
        throw ApiException.badRequest(
            "event_types",
            "'event_types' has " + event + "; they are " + String.join(", ", Webhooks.EVENTS));
      }
      events.add(event.textValue());
    }
    if (events.isEmpty()) {
      throw ApiException.badRequest("event_types", "'event_types' is empty; leave it out for all");
    }
    return events;
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    String url = body.requiredText("url");
    String name = body.text("name");
    List<JsonNode> types = body.list("event_types");
    body.refuseOthers();
    answerWithSecret(
        exchange,
        webhooks.create(
            exchange.caller().tenant(),
            name == null ? "" : checked(name),
            endpoint(url),
            types == null ? Webhooks.EVENTS : events(types)));
  }

  /** The only time that anybody is told. */
  private static void answerWithSecret(Exchange exchange, Webhook webhook) throws IOException {
    exchange.answer(webhook.toJson().put("signing_secret", webhook.secret()));
  }

  private void list(Exchange exchange) throws IOException {
    Page page = Page.of(exchange, 20, 100);
    exchange.refuseOtherQueries();
    List<Webhook> all = webhooks.list(exchange.caller().tenant());
    int from = 0;
    if (page.after() != null) {
      Webhook last = webhooks.find(exchange.caller().tenant(), page.after());
      from = all.stream().map(Webhook::id).toList().indexOf(last.id()) + 1;
    }
    int to = Math.min(all.size(), from + page.limit() + 1);
    exchange.answer(page.answer(all.subList(from, to), Webhook::id, Webhook::toJson));
  }

  private void retrieve(Exchange exchange) throws IOException {
    exchange.answer(named(exchange).toJson());
  }

  private void update(Exchange exchange) throws IOException {
    Webhook webhook = named(exchange);
    Fields body = exchange.body();
    String url = body.text("url");
    String name = body.text("name");
    List<JsonNode> types = body.list("event_types");
    body.refuseOthers();
    Webhook updated =
        webhooks.update(
            webhook.with(
                name == null ? webhook.name() : checked(name),
                url == null ? webhook.endpoint() : endpoint(url),
                types == null ? webhook.events() : events(types)));
    exchange.answer(updated.toJson());
  }

  private void rotate(Exchange exchange) throws IOException {
    Webhook webhook = named(exchange);
    answerWithSecret(exchange, webhooks.update(webhook.withSecret(Signature.newSecret())));
  }

  private void test(Exchange exchange) throws IOException {
    Webhook webhook = named(exchange);
    Fields body = exchange.body();
    String type = body.word("event_type", Webhooks.EVENTS.get(0), Webhooks.EVENTS);
    body.refuseOthers();
    int status;
    try {
      status = Webhooks.test(webhook, type);
    } catch (IOException e) {
      throw ApiException.badRequest("url", "The message could not be sent: " + Webhooks.words(e));
    }
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    answer.put("object", "webhook_endpoint.test").put("webhook_endpoint_id", webhook.id());
    exchange.answer(answer.put("event_type", type).put("status_code", status));
  }

  private void delete(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String id = exchange.parameter("webhook");
    webhooks.delete(exchange.caller().tenant(), id);
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    exchange.answer(
        body.put("id", id).put("object", "webhook_endpoint.deleted").put("deleted", true));
  }
}
