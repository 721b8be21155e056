package dev.attune.server.webhooks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.Headers;
import com.openai.models.webhooks.UnwrapWebhookEvent;
import com.openai.models.webhooks.WebhookVerificationParams;
import com.sun.net.httpserver.HttpServer;
import dev.attune.core.InputException;
import dev.attune.server.database.Journal;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Messages arrive, signed, once they are taken, and nowhere else. */
class WebhooksTest {
  private static final String SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

  @TempDir Path scratch;
  private HttpServer receiver;
  private final List<Heard> heard = Collections.synchronizedList(new ArrayList<>());
  private volatile int failures; // answers that are errors first
  private Journal journal;

  private record Heard(String id, String timestamp, String signature, String body) {}

  @BeforeEach
  void listen() throws IOException {
    receiver = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    receiver.createContext(
        "/hook",
        exchange -> {
          heard.add(
              new Heard(
                  exchange.getRequestHeaders().getFirst("webhook-id"),
                  exchange.getRequestHeaders().getFirst("webhook-timestamp"),
                  exchange.getRequestHeaders().getFirst("webhook-signature"),
                  new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8)));
          exchange.sendResponseHeaders(failures-- > 0 ? 500 : 204, -1);
          exchange.close();
        });
    receiver.createContext(
        "/moved",
        exchange -> {
          exchange.getResponseHeaders().add("Location", "/hook");
          exchange.sendResponseHeaders(307, -1);
          exchange.close();
        });
    receiver.start();
    journal = Journal.open(scratch.resolve("journal.db"), Webhooks.LAYOUT);
  }

  @AfterEach
  void end() {
    receiver.stop(0);
    journal.close();
  }

  private URI url(String path) {
    return URI.create("http://127.0.0.1:" + receiver.getAddress().getPort() + path);
  }

  private Webhooks webhooks(String path, Duration... waits) {
    Webhooks webhooks = new Webhooks(journal, Map.of(url(path), SECRET), List.of(waits));
    webhooks.start();
    return webhooks;
  }

  private void tell(Webhooks webhooks, String job) {
    journal.change(
        session -> {
          webhooks.tell(session, "a", "fine_tuning.job.succeeded", job);
          return null;
        });
    webhooks.wake();
  }

  private static void await(Webhooks webhooks, long waiting) throws InterruptedException {
    long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (webhooks.waiting() != waiting) {
      assertTrue(System.nanoTime() < end, "messages on their way: " + webhooks.waiting());
      Thread.sleep(10);
    }
  }

  @Test
  void aMessageIsSignedAndSentAgainUntilItIsTaken() throws Exception {
    failures = 2;
    try (Webhooks webhooks = webhooks("/hook?a=b", Duration.ofMillis(10), Duration.ofMillis(10))) {
      tell(webhooks, "ftjob-1");
      await(webhooks, 0);
    }
    assertEquals(3, heard.size());
    Heard last = heard.get(2);
    assertEquals(heard.get(0).id(), last.id());
    JsonNode body = new ObjectMapper().readTree(last.body());
    assertEquals("event", body.path("object").asText());
    assertEquals("fine_tuning.job.succeeded", body.path("type").asText());
    assertEquals("ftjob-1", body.at("/data/id").asText());
    assertEquals(last.id(), body.path("id").asText());
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec("0123456789abcdef0123456789abcdef".getBytes(), "HmacSHA256"));
    byte[] signed =
        mac.doFinal((last.id() + "." + last.timestamp() + "." + last.body()).getBytes());
    assertEquals("v1," + Base64.getEncoder().encodeToString(signed), last.signature());
    OpenAIClient client = OpenAIOkHttpClient.builder().apiKey("none").build();
    try {
      UnwrapWebhookEvent event =
          client
              .webhooks()
              .unwrap(
                  WebhookVerificationParams.builder()
                      .payload(last.body())
                      .secret(SECRET)
                      .headers(
                          Headers.builder()
                              .put("webhook-id", last.id())
                              .put("webhook-timestamp", last.timestamp())
                              .put("webhook-signature", last.signature())
                              .build())
                      .build());
      assertEquals("ftjob-1", event.asFineTuningJobSucceeded().data().id());
    } finally {
      client.close();
    }
  }

  @Test
  void whatWasNotSentIsSentAfterTheNextStart() throws Exception {
    Webhooks before = new Webhooks(journal, Map.of(url("/hook"), SECRET));
    tell(before, "ftjob-1"); // and it ends before anything is sent
    before.close();
    assertEquals(0, heard.size());
    try (Webhooks webhooks = webhooks("/hook")) {
      await(webhooks, 0);
    }
    assertEquals(1, heard.size());
  }

  @Test
  void redirectsAreNotFollowedAndMessagesAreGivenUpAtLast() throws Exception {
    try (Webhooks webhooks = webhooks("/moved", Duration.ofMillis(1))) {
      tell(webhooks, "ftjob-1");
      await(webhooks, 0);
    }
    assertEquals(0, heard.size());
  }

  @Test
  void aTenantReachesNothingOnThisMachine() throws Exception {
    try (Webhooks webhooks = new Webhooks(journal, Map.of(), List.of())) {
      webhooks.create("a", "", Endpoint.of(url("/hook").toString(), false), Webhooks.EVENTS);
      webhooks.create(
          "a",
          "",
          Endpoint.of("http://localhost:" + url("/").getPort() + "/hook", false),
          Webhooks.EVENTS);
      webhooks.create("b", "", Endpoint.of("http://127.0.0.1:1/", false), Webhooks.EVENTS);
      tell(webhooks, "ftjob-1");
      assertEquals(2, webhooks.waiting(), "both of the tenant's hear, and no other's");
      webhooks.start();
      await(webhooks, 0);
    }
    assertEquals(0, heard.size());
  }

  @Test
  void aMessageThatCannotBeSentAtAllIsGivenUp() throws Exception {
    Endpoint kept = new Endpoint(URI.create("http://127.0.0.1:70000/"), true);
    try (Webhooks webhooks = new Webhooks(journal, Map.of(), List.of())) {
      webhooks.create("a", "", kept, Webhooks.EVENTS); // kept before ports were read
      tell(webhooks, "ftjob-1");
      webhooks.start();
      await(webhooks, 0);
    }
  }

  @Test
  void whatTheJournalDoesNotTakeIsNotSentAllTheTime() throws Exception {
    journal.change(
        session ->
            session.update(
                "CREATE TRIGGER refusing BEFORE DELETE ON webhook_messages"
                    + " BEGIN SELECT RAISE(ABORT, 'refused'); END"));
    try (Webhooks webhooks = webhooks("/hook")) {
      tell(webhooks, "ftjob-1");
      Thread.sleep(1500);
      int sent = heard.size();
      assertTrue(sent >= 1 && sent <= 2, "sent " + sent + " times");
    }
  }

  @Test
  void aReceiverThatIsSlowIsNotWaitedForWithoutEnd() throws Exception {
    try (ServerSocket slow = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread thread = new Thread(() -> answerSlowly(slow));
      thread.start();
      Endpoint endpoint = Endpoint.of("http://127.0.0.1:" + slow.getLocalPort() + "/", true);
      long start = System.nanoTime();
      IOException e =
          assertThrows(
              IOException.class,
              () -> endpoint.post(new byte[0], Map.of(), Duration.ofMillis(300)));
      assertTrue(e.getMessage().contains("300 ms"), e.getMessage());
      assertTrue(System.nanoTime() - start < Duration.ofSeconds(5).toNanos());
      thread.join();
    }
  }

  /** A byte every now and then, none of which is the last. */
  private static void answerSlowly(ServerSocket server) {
    try (Socket socket = server.accept()) {
      for (int i = 0; i < 200; i++) {
        socket.getOutputStream().write('H');
        Thread.sleep(40);
      }
    } catch (IOException | InterruptedException e) {
      // the sender has gone
    }
  }

  @ParameterizedTest
  @CsvSource({
    "8.8.8.8, true",
    "1.1.1.1, true",
    "2606:4700:4700::1111, true",
    "10.0.0.1, false",
    "127.0.0.1, false",
    "169.254.169.254, false",
    "172.16.0.1, false",
    "192.168.1.1, false",
    "100.64.0.1, false",
    "0.0.0.0, false",
    "224.0.0.1, false",
    "255.255.255.255, false",
    "::1, false",
    "fc00::1, false",
    "fe80::1, false",
    "::ffff:10.0.0.1, false",
    "64:ff9b::7f00:1, false",
    "2002:7f00:1::, false",
    "::, false"
  })
  void addressesAreToldApart(String address, boolean isPublic) throws IOException {
    assertEquals(isPublic, Addresses.isPublic(InetAddress.getByName(address)), address);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ftp://a.org/",
        "file:///etc/passwd",
        "http:///x",
        "a.org",
        "http://u:p@a.org/",
        "http://a.org:0/",
        "http://a.org:65536/",
        "http://a b"
      })
  void otherUrlsAreRefused(String url) {
    assertThrows(InputException.class, () -> Endpoint.of(url, true));
  }

  @Test
  void aSecretIsNotNamedWhenItIsRefused() {
    InputException e = assertThrows(InputException.class, () -> Signature.check("whsec_c2hvcnQ="));
    assertFalse(e.getMessage().contains("c2hvcnQ"), e.getMessage());
    Signature.check(Signature.newSecret());
  }
}
