package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;

/**
 * What a model should have said, as somebody sent it.
 *
 * @param number counted up over all models
 * @param predicted what the version said that was live when it was looked at, which had not learned
 *     it; null: nobody has looked yet
 */
record Correction(long number, String id, LabelledText row, Instant created, String predicted) {
  /**
   * As clients see it.
   *
   * @param learned the number up to which the live version has learned
   */
  ObjectNode toJson(long learned) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "model.correction");
    json.put("created_at", created.getEpochSecond());
    json.put("input", row.text());
    if (row.pair() != null) {
      json.put("pair", row.pair());
    }
    json.put("label", row.label());
    json.put("predicted", predicted);
    json.put("state", row.isHeldOut() ? "held_out" : number <= learned ? "learned" : "waiting");
    return json;
  }
}
