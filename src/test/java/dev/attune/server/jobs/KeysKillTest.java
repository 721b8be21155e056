package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client;
import dev.attune.server.access.KeyStore;
import dev.attune.server.data.DataCheck;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.Caller.Scope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is killed again and again while keys are made and revoked, over HTTP and beside it:
 * each key that was told opens what it opened, no revoked one opens anything, and none is there
 * twice. {@code -Dattune.server.kills=100} tries it more often.
 */
@Timeout(3600)
class KeysKillTest {
  private static final int KILLS = Integer.getInteger("attune.server.kills", 4);
  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final String KEYS = "attune/keys";

  @TempDir Path scratch;
  private final List<Made> all = new ArrayList<>();
  private final Set<String> names = new HashSet<>(); // of keys that were asked for
  private String admin;

  /** A key that was told. */
  private static final class Made {
    private final String id;
    private final String name;
    private final String value;
    private boolean isRevoking; // was asked for, and not answered
    private boolean isRevoked;

    Made(String id, String name, String value) {
      this.id = id;
      this.name = name;
      this.value = value;
    }
  }

  private Path data() {
    return scratch.resolve("data");
  }

  private String name() {
    String name = "number " + names.size();
    names.add(name);
    return name;
  }

  private void create(Client client) throws Exception {
    String name = name();
    String body = "{'name': '%s', 'tenant': 'reviews', 'scopes': ['training', 'inference']}";
    JsonNode made = client.post(KEYS, body.formatted(name)).good();
    all.add(new Made(made.path("id").asText(), name, made.path("value").asText()));
  }

  /** As {@code attune keys} does. */
  private void createBeside() {
    try (DataFolder beside = DataFolder.openBeside(data())) {
      String name = name();
      KeyStore.Created made =
          new KeyStore(beside.journal()).create(name, "reviews", Set.of(Scope.TRAINING), null);
      all.add(new Made(made.key().id(), name, made.text()));
    }
  }

  private void revoke(Client client, Random random) throws Exception {
    List<Made> open = all.stream().filter(made -> !made.isRevoked).toList();
    if (!open.isEmpty()) {
      Made made = open.get(random.nextInt(open.size()));
      made.isRevoking = true;
      client.delete(KEYS + "/" + made.id).good();
      made.isRevoked = true;
    }
  }

  private void work(ServedProcess server, Random random) throws Exception {
    Client client = new Client(server.address(), admin);
    server.askUntilKilled(
        random,
        20,
        100,
        () -> {
          switch (random.nextInt(6)) {
            case 0 -> createBeside();
            case 1, 2, 3 -> create(client);
            default -> revoke(client, random);
          }
        });
  }

  private void check(ServedProcess server) throws Exception {
    Map<String, JsonNode> there = new HashMap<>();
    JsonNode list = new Client(server.address(), admin).get(KEYS).good().path("data");
    list.forEach(key -> there.put(key.path("id").asText(), key));
    List<String> told = list.findValuesAsText("name");
    assertEquals(told.size(), new HashSet<>(told).size(), () -> "twice: " + told);
    assertTrue(names.containsAll(told.stream().filter(name -> !name.equals("admin")).toList()));
    for (Made made : all) {
      JsonNode key = there.get(made.id);
      assertNotNull(key, made.name + " is lost, seed " + SEED);
      assertEquals(made.name, key.path("name").asText());
      boolean isRevoked = !key.path("revoked_at").isNull();
      assertTrue(made.isRevoking || !isRevoked, made.name + " was never revoked");
      assertTrue(isRevoked || !made.isRevoked, made.name + " is no more revoked");
      made.isRevoked = isRevoked;
      int status = new Client(server.address(), made.value).get("files").status();
      assertEquals(isRevoked ? 401 : 200, status, made.name);
    }
  }

  @Test
  void keysOpenWhatTheyOpenedAndNoMore() throws Exception {
    JobsTrial.makeBases(scratch);
    Random random = new Random(SEED);
    ServedProcess server = new ServedProcess(scratch, "512m", ServedProcess.SHORT_LIVED);
    try {
      String first = "{'name': 'admin', 'tenant': 'owner', 'scopes': ['admin']}";
      admin = new Client(server.address(), null).post(KEYS, first).good().path("value").asText();
      for (int i = 0; i < KILLS; i++) {
        work(server, random);
        server = new ServedProcess(scratch, "512m", ServedProcess.SHORT_LIVED);
        check(server);
      }
      long revoked = all.stream().filter(made -> made.isRevoked).count();
      assertTrue(revoked > 0 && revoked < all.size(), revoked + " of " + all.size());
      System.out.printf(
          "survived: keys: {%d kills, %d keys, %d revoked, seed %d}%n",
          KILLS, all.size(), revoked, SEED);
    } finally {
      server.close();
    }
    assertEquals(List.of(), DataCheck.of(data()));
  }
}
