package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Something that a job tells.
 *
 * @param number in the order of all events
 * @param id such as {@code ftevent-…}
 * @param created second
 * @param data of metrics; empty for a message
 * @param step of metrics; 0: a message
 */
record JobEvent(
    long number, String id, long created, Level level, String message, ObjectNode data, long step) {
  /** How bad it is. */
  enum Level {
    INFO,
    WARN,
    ERROR;

    String word() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }
  }

  /** One that has no place in the journal yet. */
  static JobEvent of(Level level, String message) {
    return new JobEvent(0, null, 0, level, message, JsonNodeFactory.instance.objectNode(), 0);
  }

  /** What was measured at a step. */
  static JobEvent metrics(long step, String message, ObjectNode data) {
    return new JobEvent(0, null, 0, Level.INFO, message, data, step);
  }

  /** As OpenAI shows events. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "fine_tuning.job.event");
    json.put("id", id);
    json.put("created_at", created);
    json.put("level", level.word());
    json.put("message", message);
    json.put("type", step > 0 ? "metrics" : "message");
    json.set("data", data);
    return json;
  }
}
