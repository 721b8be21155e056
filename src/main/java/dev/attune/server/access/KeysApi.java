package dev.attune.server.access;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** {@code /v1/attune/keys}: keys, for who may give and take them. */
public final class KeysApi {
  private static final String KEYS = "/v1/attune/keys";
  private static final long MOST_SECONDS = Duration.ofDays(3650).toSeconds();

  private final KeyStore keys;

  public KeysApi(KeyStore keys) {
    this.keys = keys;
  }

  /** Its routes. */
  public List<Route> routes() {
    return List.of(
        new Route("GET", KEYS, Scope.ADMIN, this::list),
        new Route("POST", KEYS, Scope.ADMIN, this::create),
        new Route("DELETE", KEYS + "/{key}", Scope.ADMIN, this::revoke));
  }

  private void list(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "list");
    ArrayNode data = json.putArray("data");
    keys.list().forEach(key -> data.add(key.toJson()));
    exchange.answer(json);
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    String name = body.text("name");
    String tenant = body.requiredText("tenant");
    List<String> scopes = body.textList("scopes");
    Fields expires = body.object("expires_after");
    Long seconds = null;
    if (expires != null) {
      seconds = expires.integer("seconds", 1, MOST_SECONDS);
      expires.refuseOthers();
    }
    body.refuseOthers();
    KeyStore.Created created =
        keys.create(
            name == null ? "" : name,
            tenant,
            KeyStore.scopes(scopes == null ? List.of() : scopes),
            seconds == null ? null : Duration.ofSeconds(seconds));
    exchange.answer(created.key().toJson().put("value", created.text()));
  }

  private void revoke(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String id = exchange.parameter("key");
    if (!keys.revoke(id)) {
      throw ApiException.notFound(null, "There is no key '" + id + "' that is not revoked");
    }
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "api_key.deleted");
    json.put("deleted", true);
    exchange.answer(json);
  }
}
