package dev.attune.server.webhooks;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * Somebody who wants to be told.
 *
 * @param id such as {@code wh_…}
 * @param tenant whose it is; null: the owner of the server, who hears of all tenants
 * @param secret that its messages are signed with
 * @param events that it hears of
 * @param created second
 */
record Webhook(
    String id, String tenant, Endpoint endpoint, String secret, List<String> events, long created) {
  /** As clients see it, without its secret. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "webhook");
    json.put("url", endpoint.url().toString());
    json.put("created_at", created);
    events.forEach(json.putArray("events")::add);
    return json;
  }
}
