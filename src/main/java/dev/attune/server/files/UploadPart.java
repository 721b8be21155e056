package dev.attune.server.files;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Instant;

/** A part of a file that is uploaded. */
record UploadPart(String id, String upload, long bytes, Instant created, Path path) {
  /** As OpenAI shows parts. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "upload.part");
    json.put("created_at", created.getEpochSecond());
    json.put("upload_id", upload);
    return json;
  }
}
