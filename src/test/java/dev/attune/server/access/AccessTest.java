package dev.attune.server.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.ServerConfig;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Caller.Scope;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who gets in, and what they see of others. */
@Timeout(60)
class AccessTest {
  private static final String ROWS = "{\"text\":\"a\"}\n";

  @TempDir private Path folder;
  private AttuneServer server;

  private Path data() {
    return folder.resolve("data");
  }

  private void start(ServerConfig config) {
    server = AttuneServer.start(config.port(0).dataDir(data()));
  }

  @AfterEach
  void stop() {
    if (server != null) {
      server.close();
    }
  }

  /** As the command line does, beside a server that runs. */
  private String key(String tenant, Duration lifetime, Scope... scopes) {
    try (DataFolder beside = DataFolder.openBeside(data())) {
      return new KeyStore(beside.journal()).create("test", tenant, Set.of(scopes), lifetime).text();
    }
  }

  private Client with(String key) {
    return new Client(server.address(), key);
  }

  @Test
  void theFirstKeyClosesTheServer() throws Exception {
    start(new ServerConfig());
    assertEquals(200, with(null).get("files").status());
    assertEquals(200, with("sk-anything").get("files").status()); // which clients insist on
    String key = key("local", null, Scope.TRAINING);
    Answer none = with(null).get("files");
    assertEquals(401, none.status());
    assertEquals("Bearer", none.header("WWW-Authenticate"));
    assertEquals("invalid_api_key", none.json().at("/error/code").asText());
    assertEquals(401, with("sk-anything").get("files").status());
    assertEquals(200, with(key).get("files").status());
    assertEquals(200, with(null).get("/health").status());
    assertEquals(200, with(null).get("/ready").status());
    assertEquals(401, with(null).get("/metrics").status());

    String id;
    try (DataFolder beside = DataFolder.openBeside(data())) {
      KeyStore keys = new KeyStore(beside.journal());
      id = keys.list().get(0).id();
      assertTrue(keys.revoke(id));
      assertFalse(keys.revoke(id));
    }
    assertEquals(401, with(key).get("files").status());
    assertEquals(401, with(null).get("files").status()); // and it stays closed
  }

  @Test
  void keysMayBeAskedForFromTheStart() throws Exception {
    start(new ServerConfig().requireKeys(true));
    assertEquals(401, with(null).get("files").status());
    assertEquals(200, with(key("a", null, Scope.TRAINING)).get("files").status());
  }

  @Test
  void aKeyOpensWhatItsScopesSayAndNothingOnceItHasExpired() throws Exception {
    start(new ServerConfig());
    String inference = key("a", null, Scope.INFERENCE);
    Answer lacks = with(inference).get("files");
    assertEquals(403, lacks.status());
    assertTrue(lacks.message().contains("'training'"), lacks::text);
    assertEquals(403, with(inference).get("/metrics").status());
    assertEquals(200, with(key("a", null, Scope.ADMIN)).get("/metrics").status());
    String brief = key("a", Duration.ofSeconds(1), Scope.TRAINING);
    Thread.sleep(1100);
    assertEquals(401, with(brief).get("files").status());
  }

  @Test
  void whoWasLetInIsAskedAboutAgain() throws Exception {
    try (DataFolder data = DataFolder.open(data())) {
      KeyStore keys = new KeyStore(data.journal());
      Limits limits = new Limits(1, 1, Integer.MAX_VALUE, 1, 1, 1);
      Access access = new Access(keys, false, tenant -> limits, System::nanoTime);
      Caller local = access.admit(null);
      assertTrue(access.stillAdmits(local));
      Set<Scope> scopes = Set.of(Scope.INFERENCE);
      Caller lasting = access.admit("Bearer " + keys.create("a", "a", scopes, null).text());
      Duration second = Duration.ofSeconds(1);
      Caller brief = access.admit("Bearer " + keys.create("b", "a", scopes, second).text());
      assertFalse(access.stillAdmits(local), "the first key closes the server");
      assertTrue(access.stillAdmits(lasting) && access.stillAdmits(brief));
      Thread.sleep(1100);
      assertFalse(access.stillAdmits(brief), "it has expired");
      assertTrue(keys.revoke(lasting.keyId()));
      assertFalse(access.stillAdmits(lasting), "it was revoked");
    }
  }

  @Test
  void tenantsDoNotSeeEachOther() throws Exception {
    start(new ServerConfig());
    Client one = with(key("one", null, Scope.TRAINING));
    Client other = with(key("other", null, Scope.TRAINING));
    String file = one.upload("a.jsonl", ROWS).json().path("id").asText();
    String upload =
        one.post("uploads", "{'filename':'a','purpose':'user_data','bytes':1,'mime_type':'x/y'}")
            .json()
            .path("id")
            .asText();
    for (Answer answer :
        List.of(
            other.get("files/" + file),
            other.get("files/" + file + "/content"),
            other.delete("files/" + file),
            other.get("files?after=" + file),
            other.post("uploads/" + upload + "/cancel"),
            other.post("uploads/" + upload + "/complete", "{'part_ids':['x']}"),
            other.postForm(
                "uploads/" + upload + "/parts",
                Client.form("data", "x", new byte[1], java.util.Map.of())))) {
      assertEquals(404, answer.status(), answer::text);
    }
    // What another tenant has is told of as what nobody has.
    assertEquals(
        other.get("files/file-000000000000000000000000").message().replaceAll("'.*'", ""),
        other.get("files/" + file).message().replaceAll("'.*'", ""));
    assertTrue(other.get("files").json().path("data").isEmpty());
    assertEquals(200, one.get("files/" + file).status());
  }

  @Test
  void keysAreMadeListedAndRevokedByWhoMay() throws Exception {
    start(new ServerConfig());
    Client local = with(null);
    JsonNode made =
        local
            .post(
                "attune/keys",
                "{'name':'CI','tenant':'ci','scopes':['admin','training'],"
                    + "'expires_after':{'seconds':60}}")
            .json();
    String value = made.path("value").asText();
    assertTrue(value.matches("sk-attune-[0-9A-Za-z]{16}-[0-9A-Za-z]{43}"), made::toString);
    assertEquals(60, made.path("expires_at").asLong() - made.path("created_at").asLong());
    Client admin = with(value);
    JsonNode listed = admin.get("attune/keys").json().at("/data/0");
    assertEquals("CI", listed.path("name").asText());
    assertFalse(listed.toString().contains(value.substring(30)), listed::toString);
    assertEquals("[\"admin\",\"training\"]", listed.path("scopes").toString());
    assertEquals(400, admin.post("attune/keys", "{'tenant':'x','scopes':['root']}").status());
    assertEquals(400, admin.post("attune/keys", "{'tenant':'x'}").status());
    assertEquals(400, admin.post("attune/keys", "{'tenant':'X y','scopes':['admin']}").status());
    assertEquals(403, with(key("ci", null, Scope.TRAINING)).get("attune/keys").status());
    assertEquals(200, admin.delete("attune/keys/" + listed.path("id").asText()).status());
    assertEquals(401, admin.get("attune/keys").status());
  }

  @Test
  void aKeyIsNotKeptAnywhere() throws Exception {
    start(new ServerConfig());
    String key = key("a", null, Scope.TRAINING);
    assertEquals(200, with(key).get("files").status());
    server.close();
    byte[] secret = key.substring(key.lastIndexOf('-') + 1).getBytes(StandardCharsets.US_ASCII);
    try (Stream<Path> files = Files.walk(data())) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        byte[] content = Files.readAllBytes(file);
        for (int i = 0; i + secret.length <= content.length; i++) {
          assertFalse(
              Arrays.equals(content, i, i + secret.length, secret, 0, secret.length),
              file::toString);
        }
      }
    }
    server = null;
  }

  @Test
  void almostAKeyIsNone() throws Exception {
    start(new ServerConfig());
    String key = key("a", null, Scope.TRAINING);
    String other = key("a", null, Scope.TRAINING);
    char last = key.charAt(key.length() - 1);
    for (String wrong :
        List.of(
            key.substring(0, key.length() - 1) + (last == 'a' ? 'b' : 'a'),
            key + "a",
            key.substring(0, key.length() - 1),
            key.substring(0, 27) + other.substring(27),
            "",
            "' OR 1=1 --",
            key.toUpperCase(java.util.Locale.ROOT))) {
      assertEquals(401, with(wrong).get("files").status(), wrong);
    }
    Answer basic =
        with(null).send(with(null).request("files").GET().header("Authorization", "Basic " + key));
    assertEquals(401, basic.status());
    Answer anyCase =
        with(null).send(with(null).request("files").GET().header("authorization", "bearer " + key));
    assertEquals(200, anyCase.status());
  }

  @Test
  void whoAsksTooOftenWaits() throws Exception {
    start(new ServerConfig().tenantRequestsPerMinute(5));
    Client one = with(key("one", null, Scope.TRAINING));
    Client other = with(key("other", null, Scope.TRAINING));
    for (int i = 0; i < 5; i++) {
      assertEquals(200, one.get("files").status());
    }
    Answer over = one.get("files");
    assertEquals(429, over.status());
    assertTrue(Integer.parseInt(over.header("Retry-After")) <= 12, over::toString);
    assertTrue(over.message().contains("5 requests in a minute"), over::text);
    assertEquals(200, other.get("files").status());
  }

  @Test
  void aBucketFillsAgain() {
    long[] now = {0};
    try (DataFolder folder = DataFolder.open(data())) {
      Access access =
          new Access(
              new KeyStore(folder.journal()),
              false,
              tenant -> new Limits(1, 1, 60, 1, 1, 1),
              () -> now[0]);
      for (int i = 0; i < 60; i++) {
        access.admit(null);
      }
      assertThrows(RuntimeException.class, () -> access.admit(null));
      now[0] += 1_500_000_000L;
      access.admit(null);
      assertThrows(RuntimeException.class, () -> access.admit(null));
    }
  }

  @Test
  void anotherAddressNeedsKeysAndTwoServersNeedTwoFolders() throws Exception {
    start(new ServerConfig());
    InputException taken =
        assertThrows(
            InputException.class,
            () -> AttuneServer.start(new ServerConfig().port(0).dataDir(data())));
    assertTrue(taken.getMessage().contains("being written to by process"), taken::getMessage);
    InputException port =
        assertThrows(
            InputException.class,
            () ->
                AttuneServer.start(
                    new ServerConfig()
                        .port(server.address().getPort())
                        .dataDir(folder.resolve("b"))));
    assertTrue(port.getMessage().contains("in use"), port::getMessage);
    InputException base =
        assertThrows(
            InputException.class,
            () ->
                AttuneServer.start(
                    new ServerConfig()
                        .port(0)
                        .dataDir(folder.resolve("c"))
                        .baseModel("tiny", folder.resolve("none"))));
    assertTrue(base.getMessage().startsWith("the base model 'tiny': "), base::getMessage);
  }
}
