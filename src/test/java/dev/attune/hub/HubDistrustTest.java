package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a server says never leads out of the cache, nor off the web. */
class HubDistrustTest extends HubTrial {
  @Test
  void whatAServerNamesNeverLeavesTheCache() throws Exception {
    for (String name :
        List.of("../../../evil/config.json", "/etc/evil", "a/../../b", "C:/x", "a\\b", "a//b")) {
      assertFalse(RepositoryPath.isSafe(name), name);
      assertThrows(HubFailure.class, () -> RepositoryPath.below(home, name));
    }
    Map<String, byte[]> files = files();
    files.remove("model.safetensors");
    files.put("../../escaped.safetensors", bytes(2000, 1));
    files.put(
        "model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"../../escaped.safetensors\"}}".getBytes(UTF_8));
    server.model(NAME).commit("main", files);
    assertTrue(failure(NAME).contains("leads out of the repository's folder"));
    assertFalse(Files.exists(repository().resolve("escaped.safetensors")));

    server.faults.add(
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("/resolve/")) {
            return false;
          }
          exchange.getResponseHeaders().set("X-Repo-Commit", "0".repeat(40));
          exchange.getResponseHeaders().set("ETag", "\"../../../evil\"");
          FakeHub.send(exchange, 200, new byte[] {'{', '}'});
          return true;
        });
    server.model("some-org/evil").commit("main", files());
    assertTrue(failure("some-org/evil").contains("does not answer as a hub does"));
  }

  @ParameterizedTest
  @CsvSource({"vocab.txt, blobId", "model.safetensors, sha256"})
  void whatAServerCallsAContentIsAHashOrRefused(String file, String key) throws Exception {
    Path own = Files.write(home.resolve("own.txt"), files().get(file));
    server.model(NAME).commit("main", files());
    for (String hash : List.of(own.toString(), "../../../own.txt", "..", "", "A".repeat(40))) {
      server.faults.clear();
      fault(
          "/api/",
          9,
          exchange -> {
            ObjectNode info = FakeHub.info(NAME, "c".repeat(40), files(), true);
            for (JsonNode named : info.path("siblings")) {
              if (named.path("rfilename").asText().equals(file)) {
                named.findParents(key).forEach(at -> ((ObjectNode) at).put(key, hash));
              }
            }
            FakeHub.send(exchange, 200, info.toString().getBytes(UTF_8));
            return true;
          });
      String message = failure(NAME);
      assertTrue(message.contains("'" + file + "' has the hash '" + hash + "'"), message);
      assertTrue(message.contains(server.address()), message);
      assertEquals(List.of(), server.requests("/resolve/"));
    }
    assertFalse(Files.exists(home.resolve("own.txt.lock")));
    assertFalse(Files.exists(repository().resolve("snapshots")));
  }

  @Test
  void aKeptListWithWhatIsNoHashIsDamaged() {
    String list =
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":1,\"blob_id\":\"%1$s\"},"
            + "\"b\":{\"size\":1,\"blob_id\":\"%2$s\",\"lfs_sha256\":\"%3$s\"}}}";
    String sha1 = "0a".repeat(20);
    String sha256 = "0a".repeat(32);
    assertEquals(
        sha256,
        RepositoryFiles.ofJson(list.formatted(sha1, sha1, sha256).getBytes(UTF_8))
            .orElseThrow()
            .entry("b")
            .etag());
    for (String wrong : List.of("../x", "/etc/passwd", sha1 + "0")) {
      assertTrue(
          RepositoryFiles.ofJson(list.formatted(wrong, sha1, sha256).getBytes(UTF_8)).isEmpty());
      assertTrue(
          RepositoryFiles.ofJson(list.formatted(sha1, sha1, wrong).getBytes(UTF_8)).isEmpty());
    }
  }

  @Test
  void redirectsLeadToTheWebOnly() throws Exception {
    server.model(NAME).commit("main", files());
    for (String target : List.of("file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x")) {
      server.faults.clear();
      fault(
          "/api/",
          1,
          exchange -> {
            exchange.getResponseHeaders().set("Location", target);
            FakeHub.send(exchange, 302, new byte[0]);
            return true;
          });
      assertTrue(failure(NAME).contains("none of the web's"), target);
    }
    server.faults.clear();
    server.faults.add(
        exchange -> {
          exchange.getResponseHeaders().set("Location", exchange.getRequestURI().toString());
          FakeHub.send(exchange, 302, new byte[0]);
          return true;
        });
    assertTrue(failure(NAME).contains("leads through more than 10 others"));
  }

  @Test
  void whatIsNoHubIsSaidToBeNone() {
    server.faults.add(
        exchange -> {
          FakeHub.send(exchange, 200, "<html>Please log in</html>".getBytes(UTF_8));
          return true;
        });
    String message = failure(NAME);
    assertTrue(message.contains("does not answer as a hub does"), message);
    assertTrue(message.contains("is HF_ENDPOINT right"), message);
  }

  @Test
  void aMirrorThatTellsNoSizesWillDo() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).withoutBlobs = true;
    assertWhole(model(NAME), files());
  }
}
