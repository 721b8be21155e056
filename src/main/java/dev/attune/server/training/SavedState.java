package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A state of a session that is safe on the disk.
 *
 * @param id its folder's name
 * @param session id
 * @param name that the client gave; null: the server saved it by itself
 * @param created second
 * @param steps updates so far
 * @param turn of the last call that it has seen
 * @param dropped calls whose gradients waited, which no state holds
 */
record SavedState(
    String id, String session, String name, long created, long steps, long turn, int dropped) {
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "training.state");
    json.put("name", name);
    json.put("session", session);
    json.put("created_at", created);
    json.put("steps", steps);
    return json;
  }
}
