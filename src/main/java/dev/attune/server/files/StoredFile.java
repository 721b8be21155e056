package dev.attune.server.files;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Instant;

/**
 * A file of a tenant's.
 *
 * @param name that the client gave it: a text, never a path
 * @param purpose such as {@code fine-tune}
 * @param expires when it goes by itself; null: never
 * @param path where its bytes are
 * @param sha256 of them, in hexadecimal
 */
public record StoredFile(
    String id,
    String tenant,
    String name,
    String purpose,
    long bytes,
    Instant created,
    Instant expires,
    Path path,
    String sha256) {
  /** As OpenAI shows files. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "file");
    json.put("bytes", bytes);
    json.put("created_at", created.getEpochSecond());
    if (expires != null) {
      json.put("expires_at", expires.getEpochSecond());
    }
    json.put("filename", name);
    json.put("purpose", purpose);
    json.put("status", "processed");
    return json;
  }
}
