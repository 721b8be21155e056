package dev.attune.server.files;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * A file that comes in parts.
 *
 * @param bytes that it will have, as the client says
 * @param status pending, completed, cancelled or expired
 * @param lifetime of the file; null: it stays
 * @param made what has become of it; null: no file
 */
record Upload(
    String id,
    String tenant,
    String name,
    String purpose,
    long bytes,
    Instant created,
    String status,
    Duration lifetime,
    Made made) {
  /**
   * The file that was made of an upload.
   *
   * @param parts ids of those that it has, in their order; null: a server of an earlier version
   *     made it, which kept neither these nor the sum
   * @param md5 in hexadecimal
   */
  record Made(String file, List<String> parts, String md5) {}

  static final String PENDING = "pending";
  static final String COMPLETED = "completed";
  static final String CANCELLED = "cancelled";
  static final String EXPIRED = "expired";

  /** How long parts may come. */
  static final Duration PATIENCE = Duration.ofHours(1);

  Instant expires() {
    return created.plus(PATIENCE);
  }

  /**
   * As OpenAI shows uploads.
   *
   * @param stored the file that it has become; null: none, or it is gone again
   */
  ObjectNode toJson(StoredFile stored) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "upload");
    json.put("bytes", bytes);
    json.put("created_at", created.getEpochSecond());
    json.put("expires_at", expires().getEpochSecond());
    json.put("filename", name);
    json.put("purpose", purpose);
    json.put("status", status);
    json.set("file", stored == null ? null : stored.toJson());
    return json;
  }
}
