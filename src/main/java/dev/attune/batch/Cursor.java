package dev.attune.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;

/**
 * A position in the stream of training examples: the value that a checkpoint stores. Together with
 * the seed it says exactly which batches follow.
 *
 * @param epoch the epoch, counted from 0
 * @param next index of the next example in that epoch's order; never the epoch's length, which is
 *     (epoch + 1, 0)
 */
public record Cursor(int epoch, int next) {
  /** Before the first example of the first epoch. */
  public static final Cursor START = new Cursor(0, 0);

  public Cursor {
    Check.argument(epoch >= 0 && next >= 0, "cursor (%d, %d) is negative", epoch, next);
  }

  /** {@code {"epoch": 1, "next": 640}}. */
  public ObjectNode toJson() {
    return JsonNodeFactory.instance.objectNode().put("epoch", epoch).put("next", next);
  }

  /** Reads what {@link #toJson} wrote. */
  public static Cursor fromJson(JsonNode json) {
    Check.input(
        json.path("epoch").canConvertToInt() && json.path("next").canConvertToInt(),
        "a cursor is {\"epoch\": 0, \"next\": 0}, not %s",
        json);
    return new Cursor(json.get("epoch").asInt(), json.get("next").asInt());
  }
}
