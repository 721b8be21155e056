package dev.attune.server.files;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import java.time.Duration;

/** After what time a file goes by itself. */
final class Lifetime {
  private static final String FIELD = "expires_after";
  private static final String ANCHOR = "created_at";
  private static final long LEAST_SECONDS = 3_600;
  private static final long MOST_SECONDS = 2_592_000;

  private Lifetime() {}

  /** That of a form; null: none. */
  static Duration of(String anchor, String seconds) {
    if (anchor == null && seconds == null) {
      return null;
    }
    long value;
    try {
      value = seconds == null ? -1 : Long.parseLong(seconds);
    } catch (NumberFormatException e) {
      value = -1;
    }
    if (!ANCHOR.equals(anchor) || value < LEAST_SECONDS || value > MOST_SECONDS) {
      throw ApiException.badRequest(
          FIELD,
          "'"
              + FIELD
              + "' must have the anchor '"
              + ANCHOR
              + "' and from "
              + LEAST_SECONDS
              + " to "
              + MOST_SECONDS
              + " seconds");
    }
    return Duration.ofSeconds(value);
  }

  /** That of a body; null: none. */
  static Duration of(Fields body) {
    Fields fields = body.object(FIELD);
    if (fields == null) {
      return null;
    }
    String anchor = fields.requiredText("anchor");
    Long seconds = fields.integer("seconds", LEAST_SECONDS, MOST_SECONDS);
    fields.refuseOthers();
    return of(anchor, seconds == null ? null : seconds.toString());
  }
}
