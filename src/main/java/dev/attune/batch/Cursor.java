package dev.attune.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import java.util.HexFormat;

/**
 * A position in the stream of training examples: the value that a checkpoint stores. Together with
 * the seed it says exactly which batches follow.
 *
 * @param epoch the epoch, counted from 0
 * @param next index of the next example in that epoch's order; never the epoch's length, which is
 *     (epoch + 1, 0). Of a stream: of the next row
 * @param stream what else there is to know of a stream; null: the data are none, or begin anew
 */
public record Cursor(int epoch, int next, Stream stream) {
  /** Before the first example of the first epoch. */
  public static final Cursor START = new Cursor(0, 0);

  /**
   * A place in a stream.
   *
   * @param sequence of the next row that comes next: before it, so many were learned from
   * @param read lines that were read when that row, or the one before if the next one is not begun,
   *     was drawn
   * @param digest of those lines
   */
  public record Stream(int sequence, int read, long digest) {}

  /** A position in data that are no stream. */
  public Cursor(int epoch, int next) {
    this(epoch, next, null);
  }

  public Cursor {
    Check.argument(epoch >= 0 && next >= 0, "cursor (%d, %d) is negative", epoch, next);
  }

  /** {@code {"epoch": 1, "next": 640}}. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("epoch", epoch).put("next", next);
    if (stream != null) {
      json.putObject("stream")
          .put("sequence", stream.sequence)
          .put("read", stream.read)
          .put("digest", HexFormat.of().toHexDigits(stream.digest));
    }
    return json;
  }

  /** Reads what {@link #toJson} wrote. */
  public static Cursor fromJson(JsonNode json) {
    Check.input(
        json.path("epoch").canConvertToInt() && json.path("next").canConvertToInt(),
        "a cursor is {\"epoch\": 0, \"next\": 0}, not %s",
        json);
    JsonNode stream = json.path("stream");
    return new Cursor(
        json.get("epoch").asInt(),
        json.get("next").asInt(),
        stream.isObject()
            ? new Stream(
                stream.path("sequence").asInt(),
                stream.path("read").asInt(),
                HexFormat.fromHexDigitsToLong(stream.path("digest").asText()))
            : null);
  }
}
