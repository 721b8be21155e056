package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A session as the journal has it.
 *
 * @param created second
 * @param vocabulary V of its model; ids of tokens are below
 * @param length tokens of an example at the most
 * @param needBytes memory that it takes while it is open
 */
record TrainingSession(
    String id,
    String tenant,
    long created,
    SessionRequest request,
    int vocabulary,
    int length,
    long needBytes) {
  /** What does not change of it, as clients read it. */
  ObjectNode toJson() {
    ObjectNode json = request.json().deepCopy();
    json.put("id", id);
    json.put("object", "training.session");
    json.put("created_at", created);
    json.put("max_length", length);
    json.put("vocabulary_size", vocabulary);
    json.put("memory_bytes", needBytes);
    return json;
  }
}
