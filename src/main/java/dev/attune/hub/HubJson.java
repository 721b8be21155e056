package dev.attune.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.util.Map;

/** Questions to the hub, and its answers, in JSON. */
final class HubJson {
  static final int MOST_ANSWER_BYTES = 64 << 20;

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, String> HEADERS = Map.of("Content-Type", "application/json");

  private final HubHttp http;

  HubJson(HubHttp http) {
    this.http = http;
  }

  HubHttp http() {
    return http;
  }

  /** What lies at a path below the hub's address. */
  JsonNode get(String path) throws IOException {
    return parsed(http.get(http.at(path), MOST_ANSWER_BYTES, false));
  }

  /** Posts, again where it fails in passing. */
  JsonNode post(URI uri, JsonNode content) throws IOException {
    byte[] bytes = JSON.writeValueAsBytes(content);
    return parsed(
        http.persistently(
            () ->
                http.send(
                    "POST",
                    uri,
                    HEADERS,
                    HttpRequest.BodyPublishers.ofByteArray(bytes),
                    MOST_ANSWER_BYTES)));
  }

  /** An answer's content; missing where there is none. */
  JsonNode parsed(byte[] answer) throws HubFailure {
    try {
      JsonNode json = JSON.readTree(answer);
      return json == null ? JSON.missingNode() : json;
    } catch (JsonProcessingException e) {
      throw broken("answers with what is no JSON");
    } catch (IOException e) {
      throw new IllegalStateException("it is in memory", e);
    }
  }

  /** What is to be said of a hub that does what none does. */
  HubFailure broken(String what) {
    return new HubFailure(
        HubFailure.Kind.BROKEN,
        http.at("")
            + " does not answer as a hub does: it "
            + what
            + "; is HF_ENDPOINT right, and does no proxy or login page stand between?");
  }
}
