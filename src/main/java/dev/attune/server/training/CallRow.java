package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A call as the journal has it.
 *
 * @param session id
 * @param number in the order in which calls came, from 1
 * @param id by which its result is asked for
 * @param kind such as {@code forward_backward}
 * @param sequence the client's own number; null: none
 * @param key by which the client knows it again; null: none
 * @param digest of what was asked
 * @param created second
 * @param turn in the order in which calls are done, from 1; 0: it was not done, for there was no
 *     model; null: those before it have not come
 * @param isLost whether what it did, or would have done, is not in the model
 */
record CallRow(
    String session,
    long number,
    String id,
    String kind,
    Long sequence,
    String key,
    String digest,
    long created,
    Long turn,
    boolean isLost) {
  CallRow inTurn(long at) {
    return new CallRow(session, number, id, kind, sequence, key, digest, created, at, isLost);
  }

  /** What is known of it without its result. */
  ObjectNode toJson(String status) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "training.request");
    json.put("session", session);
    json.put("kind", kind);
    json.put("number", number);
    json.put("sequence", sequence);
    json.put("created_at", created);
    json.put("status", status);
    return json;
  }
}
