package dev.attune.server.webhooks;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * Somebody who wants to be told.
 *
 * @param id such as {@code wh_…}
 * @param tenant whose it is; null: the owner of the server, who hears of all tenants
 * @param name that it was given
 * @param secret that its messages are signed with
 * @param events that it hears of
 * @param created second
 * @param updated second
 */
record Webhook(
    String id,
    String tenant,
    String name,
    Endpoint endpoint,
    String secret,
    List<String> events,
    long created,
    long updated) {
  private static final int HINT = 4;

  /** The same with another secret. */
  Webhook withSecret(String other) {
    return new Webhook(id, tenant, name, endpoint, other, events, created, updated);
  }

  /** The same, otherwise but in its secret. */
  Webhook with(String otherName, Endpoint otherEndpoint, List<String> otherEvents) {
    return new Webhook(id, tenant, otherName, otherEndpoint, secret, otherEvents, created, updated);
  }

  /** As OpenAI shows webhooks, with no more of its secret than tells it from others. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "webhook_endpoint");
    json.put("name", name);
    json.put("url", endpoint.url().toString());
    events.forEach(json.putArray("event_types")::add);
    json.put("created_at", created);
    json.put("updated_at", updated);
    json.put("signing_secret_hint", "…" + secret.substring(secret.length() - HINT));
    return json;
  }
}
