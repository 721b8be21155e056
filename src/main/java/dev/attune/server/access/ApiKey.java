package dev.attune.server.access;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.Caller.Scope;
import java.time.Instant;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/**
 * What is known of a key; the key itself is not.
 *
 * @param id by which it is named, and which it begins with
 * @param name that its owner gives it
 * @param tenant whose files, jobs and models it opens
 * @param expires null: never
 * @param revoked null: it is not
 * @param used when it was last; null: not yet, or less than a minute ago
 */
public record ApiKey(
    String id,
    String name,
    String tenant,
    Set<Scope> scopes,
    Instant created,
    Instant expires,
    Instant revoked,
    Instant used) {
  public ApiKey {
    scopes = Set.copyOf(scopes);
  }

  /** Whether it opens anything at that time. */
  boolean isValid(Instant now) {
    return revoked == null && (expires == null || expires.isAfter(now));
  }

  /** Names of its scopes, in their order. */
  public Set<String> scopeNames() {
    Set<String> names = new TreeSet<>();
    scopes.forEach(scope -> names.add(scope.name().toLowerCase(Locale.ROOT)));
    return names;
  }

  private static void put(ObjectNode json, String name, Instant time) {
    if (time == null) {
      json.putNull(name);
    } else {
      json.put(name, time.getEpochSecond());
    }
  }

  /** As the API shows keys. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "api_key");
    json.put("name", name);
    json.put("tenant", tenant);
    ArrayNode list = json.putArray("scopes");
    scopeNames().forEach(list::add);
    json.put("redacted_value", KeyText.begin(id) + "…");
    put(json, "created_at", created);
    put(json, "expires_at", expires);
    put(json, "revoked_at", revoked);
    put(json, "last_used_at", used);
    return json;
  }
}
