package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.attune.server.Client;
import dev.attune.server.data.DataCheck;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is killed again and again while jobs end and webhooks are made, renamed and deleted:
 * of each job one message arrives, by the same id where it comes again, and the webhooks are those
 * that were answered. {@code -Dattune.server.kills=100} tries it more often.
 */
@Timeout(3600)
class WebhooksKillTest {
  private static final int KILLS = Integer.getInteger("attune.server.kills", 4);
  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final byte[] KEY = "0123456789abcdef0123456789abcdef".getBytes();
  private static final String SECRET = "whsec_" + Base64.getEncoder().encodeToString(KEY);
  private static final String ALL = "webhook_endpoints";
  private static final int ENDLESS = 1_000_000; // steps
  private static final int SELDOM = 40; // one in so many messages is refused, and waits for 5 s

  @TempDir Path scratch;
  private final Queue<Heard> heard = new ConcurrentLinkedQueue<>();
  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
  private final AtomicInteger refused = new AtomicInteger();
  private final Map<String, String> hooks = new LinkedHashMap<>(); // names that were answered
  private final TreeSet<String> unsure = new TreeSet<>(); // of changes that were not
  private final TreeSet<String> created = new TreeSet<>(); // jobs that were answered
  private HttpServer receiver;

  private record Heard(String id, String job, String body) {}

  @BeforeEach
  void listen() throws IOException {
    receiver = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    receiver.createContext("/hook", this::hear);
    receiver.start();
  }

  @AfterEach
  void end() {
    receiver.stop(0);
  }

  private void hear(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    String id = exchange.getRequestHeaders().getFirst("webhook-id");
    String time = exchange.getRequestHeaders().getFirst("webhook-timestamp");
    String signature = exchange.getRequestHeaders().getFirst("webhook-signature");
    if (!signed(id + "." + time + "." + body).equals(signature)) {
      wrong.add(id + " has the signature " + signature);
    }
    JsonNode json = JobsTrial.JSON.readTree(body);
    if (!json.path("id").asText().equals(id)
        || !json.path("type").asText().equals("fine_tuning.job.cancelled")) {
      wrong.add(id + " brings " + body);
    }
    heard.add(new Heard(id, json.at("/data/id").asText(), body));
    boolean isRefused = heard.size() % SELDOM == 0;
    refused.addAndGet(isRefused ? 1 : 0);
    exchange.sendResponseHeaders(isRefused ? 500 : 204, -1);
    exchange.close();
  }

  private static String signed(String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
      return "v1," + Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes()));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private ServedProcess start() throws IOException {
    URI url = URI.create("http://127.0.0.1:" + receiver.getAddress().getPort() + "/hook");
    List<String> options = new ArrayList<>(List.of(ServedProcess.SHORT_LIVED));
    options.addAll(List.of(ServerChild.withWebhook(url, SECRET)));
    return new ServedProcess(scratch, "512m", options.toArray(String[]::new));
  }

  private void endAJob(Client client, String file) throws Exception {
    String body = JobsTrial.job(file, ENDLESS).toString();
    String id = client.post("fine_tuning/jobs", body).good().path("id").asText();
    created.add(id);
    assertEquals("cancelled", cancelled(client, id));
  }

  /** All jobs, each of which is cancelled by now. */
  private static TreeSet<String> cancelAll(Client client) throws Exception {
    TreeSet<String> all = new TreeSet<>();
    String after = "";
    for (boolean isMore = true; isMore; ) {
      JsonNode page = client.get("fine_tuning/jobs?limit=100" + after).good();
      for (JsonNode job : page.path("data")) {
        String id = job.path("id").asText();
        if (!job.path("status").asText().equals("cancelled")) {
          assertEquals("cancelled", cancelled(client, id));
        }
        all.add(id);
        after = "&after=" + id;
      }
      isMore = page.path("has_more").asBoolean();
    }
    return all;
  }

  private static String cancelled(Client client, String id) throws Exception {
    return client.post("fine_tuning/jobs/" + id + "/cancel").good().path("status").asText();
  }

  /** Changes a webhook that hears nothing here. */
  private void changeAHook(Client client, Random random) throws Exception {
    List<String> ids = List.copyOf(hooks.keySet());
    String name = "name-" + random.nextInt(1 << 30);
    if (ids.size() < 5) {
      String body =
          "{'url': 'https://a.example/', 'name': '%s', 'event_types': ['fine_tuning.job.failed']}";
      hooks.put(client.post(ALL, body.formatted(name)).good().path("id").asText(), name);
      return;
    }
    String id = ids.get(random.nextInt(ids.size()));
    unsure.add(id);
    if (random.nextBoolean()) {
      client.delete(ALL + "/" + id).good();
      hooks.remove(id);
    } else {
      String answered =
          client.post(ALL + "/" + id, "{'name': '" + name + "'}").good().path("name").asText();
      assertEquals(name, answered);
      hooks.put(id, name);
    }
    unsure.remove(id);
  }

  private void work(ServedProcess server, String file, Random random) throws Exception {
    Client client = new Client(server.address(), null);
    server.askUntilKilled(
        random,
        6,
        200,
        () -> {
          endAJob(client, file);
          changeAHook(client, random);
        });
  }

  /** What was answered is there; of what was not, either is right. */
  private void checkHooks(Client client) throws Exception {
    Map<String, String> there = new LinkedHashMap<>();
    client
        .get(ALL)
        .good()
        .path("data")
        .forEach(hook -> there.put(hook.path("id").asText(), hook.path("name").asText()));
    hooks.forEach(
        (id, name) -> {
          if (!unsure.contains(id)) {
            assertEquals(name, there.get(id), () -> id + " of " + there);
          }
        });
    unsure.clear();
    hooks.clear();
    hooks.putAll(there); // also one that was made and not answered
  }

  @Test
  void ofEachJobOneMessageArrives() throws Exception {
    JobsTrial.makeBases(scratch);
    Random random = new Random(SEED);
    ServedProcess server = start();
    try {
      String file =
          new Client(server.address(), null)
              .upload("chats.jsonl", JobsTrial.chats(4))
              .good()
              .path("id")
              .asText();
      for (int i = 0; i < KILLS; i++) {
        work(server, file, random);
        server = start();
        Client client = new Client(server.address(), null);
        checkHooks(client);
        cancelAll(client); // also one that was made and not answered
      }
      Client client = new Client(server.address(), null);
      TreeSet<String> all = cancelAll(client);
      assertTrue(all.containsAll(created), "a job is lost");
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
      while (!told().equals(all) && System.nanoTime() < until) {
        Thread.sleep(50);
      }
      assertEquals(all, told());
      Thread.sleep(500); // one that comes twice would come now
      assertEquals(List.of(), List.copyOf(wrong));
      long messages = heard.stream().map(Heard::body).distinct().count();
      assertEquals(all.size(), messages, "a job was told of by two messages");
      assertEquals(all.size(), heard.stream().map(Heard::id).distinct().count());
      // One whose receipt a kill has kept from the journal comes again.
      assertTrue(heard.size() <= messages + refused.get() + KILLS, heard.size() + " came");
      System.out.printf(
          "survived: webhooks: {%d kills, %d messages, %d sent again, seed %d}%n",
          KILLS, messages, heard.size() - messages, SEED);
    } finally {
      server.close();
    }
    assertEquals(List.of(), DataCheck.of(scratch.resolve("data")));
  }

  private TreeSet<String> told() {
    return heard.stream().map(Heard::job).collect(Collectors.toCollection(TreeSet::new));
  }
}
