package dev.attune.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.TextNode;
import dev.attune.core.InputException;
import dev.attune.server.tls.PemFiles;
import dev.attune.testkit.SelfSigned;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.eclipse.jetty.io.EofException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What stands between the port and the routes: deadlines, TLS, an end in good order. */
@Timeout(120)
class WebServerTest {
  private static final String PASSWORD = "secret";

  @TempDir private Path folder;

  private static WebServer start(List<Route> routes, WebServer.Tls tls, int idleMillis) {
    Metrics metrics = new Metrics();
    Router router = new Router(routes, authorization -> Caller.LOCAL, "127.0.0.1", metrics);
    return WebServer.start(
        "127.0.0.1", 0, tls, Duration.ofSeconds(30), idleMillis, router, metrics);
  }

  private static WebServer start(Route route, Gate gate, int idleMillis) {
    Metrics metrics = new Metrics();
    Router router = new Router(List.of(route), gate, "127.0.0.1", metrics);
    return WebServer.start(
        "127.0.0.1", 0, null, Duration.ofSeconds(30), idleMillis, router, metrics);
  }

  /** Sends events for ever, one after so many milliseconds. */
  private static Route endless(long millis, String text, CountDownLatch ended) {
    return new Route(
        "GET",
        "/endless",
        Caller.Scope.INFERENCE,
        exchange -> {
          EventStream events = exchange.events();
          try {
            while (true) {
              events.send(TextNode.valueOf(text));
              Thread.sleep(millis);
            }
          } finally {
            ended.countDown();
          }
        });
  }

  private static Route slow(CountDownLatch begun, CountDownLatch go) {
    return slow("POST", begun, go);
  }

  private static Route slow(String method, CountDownLatch begun, CountDownLatch go) {
    return new Route(
        method,
        "/slow",
        null,
        exchange -> {
          begun.countDown();
          go.await(60, TimeUnit.SECONDS);
          exchange.answer(200, "text/plain", "done".getBytes(StandardCharsets.US_ASCII));
        });
  }

  /** A server's own fault is counted as one; a client that hangs up is none. */
  @Test
  void aClientThatHangsUpBeforeItIsAnsweredIsNoErrorOfTheServer() throws Exception {
    Metrics metrics = new Metrics();
    Route gone =
        new Route(
            "GET",
            "/gone",
            null,
            exchange -> {
              while (!exchange.clientIsGone()) {
                Thread.sleep(10);
              }
              throw new EofException("the client has gone");
            });
    List<Route> routes =
        List.of(gone, slow(new CountDownLatch(1), new CountDownLatch(0))); // the other takes bodies
    Router router = new Router(routes, authorization -> Caller.LOCAL, "127.0.0.1", metrics);
    try (WebServer server =
        WebServer.start("127.0.0.1", 0, null, Duration.ofSeconds(30), 60_000, router, metrics)) {
      for (String request :
          List.of(
              "GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n",
              "POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab")) {
        try (Socket socket = connect(server)) {
          write(socket, request);
          Thread.sleep(200); // it has come, and is worked on
        }
      }
      String counted = "attune_http_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} 1";
      List<String> wanted = // of a body that breaks off, the client may still read what it is told
          List.of(counted.formatted("GET", "/gone", 499), counted.formatted("POST", "/slow", 400));
      for (int i = 0; i < 200 && !wanted.stream().allMatch(metrics.text()::contains); i++) {
        Thread.sleep(25);
      }
      wanted.forEach(line -> assertTrue(metrics.text().contains(line), metrics::text));
      assertFalse(metrics.text().contains("status=\"500\""), metrics::text);
    }
  }

  private static Socket connect(WebServer server) throws IOException {
    Socket socket = new Socket("127.0.0.1", server.address().getPort());
    socket.setSoTimeout(60_000);
    return socket;
  }

  private static void write(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
    socket.getOutputStream().flush();
  }

  private static String read(Socket socket) throws IOException {
    return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  @Test
  void aClientThatDripsItsHeadersIsLetGo() throws Exception {
    try (WebServer server = start(List.of(), null, 1000);
        Socket socket = connect(server)) {
      long began = System.nanoTime();
      assertThrows(
          IOException.class, // it writes to what is closed
          () -> {
            while (System.nanoTime() - began < 60_000_000_000L) {
              write(socket, "G");
              Thread.sleep(100); // never idle
            }
          });
    }
  }

  /** It reads a little again and again, so that it is never idle. */
  @Test
  void aClientThatHardlyReadsAStreamIsLetGo() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    Route endless = endless(0, "a".repeat(10_000), ended);
    try (WebServer server = start(endless, authorization -> Caller.LOCAL, 2000);
        Socket socket = new Socket()) {
      socket.setReceiveBufferSize(1 << 12);
      socket.connect(new InetSocketAddress(server.address().getHost(), server.address().getPort()));
      write(socket, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
      long began = System.nanoTime();
      while (ended.getCount() > 0 && System.nanoTime() - began < 60_000_000_000L) {
        if (socket.getInputStream().readNBytes(1 << 12).length == 0) {
          break;
        }
        Thread.sleep(100);
      }
      assertTrue(ended.await(10, TimeUnit.SECONDS), "a thread waits for it still");
    }
  }

  @Test
  void aStreamEndsWithAnErrorOnceItsKeyOpensNothing() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    AtomicBoolean isValid = new AtomicBoolean(true);
    Gate gate =
        new Gate() {
          @Override
          public Caller admit(String authorization) {
            return Caller.LOCAL;
          }

          @Override
          public boolean stillAdmits(Caller caller) {
            return isValid.get();
          }
        };
    try (WebServer server = start(endless(100, "a", ended), gate, 10_000);
        Socket socket = connect(server)) {
      write(socket, "GET /endless HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      Thread.sleep(1_000);
      assertEquals(1, ended.getCount());
      isValid.set(false);
      assertTrue(ended.await(30, TimeUnit.SECONDS), "it goes on");
      String all = read(socket);
      assertTrue(all.startsWith("HTTP/1.1 200 "), all);
      assertTrue(all.contains("data: \"a\"\n\n"), all);
      assertTrue(all.contains("data: {\"error\":{"), all);
      assertTrue(all.contains("invalid_api_key"), all);
    }
  }

  @Test
  void aBodyThatDoesNotComeIsA408AndOneThatIsWorkedOnIsWaitedFor() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    try (WebServer server = start(List.of(slow(begun, go)), null, 2000);
        Socket silent = connect(server)) {
      write(silent, "POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
      String refused = read(silent);
      assertTrue(refused.startsWith("HTTP/1.1 408 "), refused);
      assertTrue(refused.contains("request_timeout"), refused);

      try (Socket patient = connect(server)) {
        write(
            patient,
            "POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                + "Connection: close\r\n\r\nab");
        assertTrue(begun.await(60, TimeUnit.SECONDS));
        Thread.sleep(5000); // longer than a client may be silent
        go.countDown();
        String answer = read(patient);
        assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith("done"), answer);
      }
    }
  }

  /** As who waits for a result. */
  @Test
  void anAnswerMayTakeLongerThanAClientMayBeSilent() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    try (WebServer server = start(List.of(slow("GET", begun, go)), null, 1000);
        Socket patient = connect(server)) {
      write(patient, "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      Thread.sleep(3000);
      go.countDown();
      String answer = read(patient);
      assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith("done"), answer);
    }
  }

  @Test
  void aClientThatDoesNotTakeItsAnswerIsLetGo() throws Exception {
    byte[] large = new byte[64 << 20];
    Route route =
        new Route("GET", "/large", null, exchange -> exchange.answer(200, "text/plain", large));
    try (WebServer server = start(List.of(route), null, 1000);
        Socket silent = connect(server)) {
      write(silent, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
      Thread.sleep(5000);
      long read = 0;
      try {
        byte[] piece = new byte[1 << 16];
        for (int n = silent.getInputStream().read(piece);
            n >= 0;
            n = silent.getInputStream().read(piece)) {
          read += n;
        }
      } catch (IOException e) {
        // the connection is reset
      }
      assertTrue(read < large.length, "all was sent");
    }
  }

  @Test
  void requestsThatHaveBegunAreAnsweredAtTheEnd() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    WebServer server = start(List.of(slow(begun, go)), null, 30_000);
    int port = server.address().getPort();
    try (Socket socket = connect(server)) {
      write(socket, "POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      Thread closing = new Thread(server::close);
      closing.start();
      Thread.sleep(500);
      assertTrue(closing.isAlive());
      assertThrows(IOException.class, () -> new Socket("127.0.0.1", port).close());
      go.countDown();
      String answer = read(socket);
      assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith("done"), answer);
      closing.join(60_000);
      assertFalse(closing.isAlive());
    }
  }

  private static String pem(String kind, byte[] content) {
    return "-----BEGIN "
        + kind
        + "-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content)
        + "\n-----END "
        + kind
        + "-----\n";
  }

  private KeyStore pair(String name, String kind) throws Exception {
    KeyStore store = SelfSigned.write(folder.resolve(name + ".p12"), "server", kind, PASSWORD);
    Certificate certificate = store.getCertificate("server");
    Files.writeString(
        folder.resolve(name + ".cert.pem"), pem("CERTIFICATE", certificate.getEncoded()));
    Files.writeString(
        folder.resolve(name + ".key.pem"),
        pem("PRIVATE KEY", store.getKey("server", PASSWORD.toCharArray()).getEncoded()));
    return store;
  }

  @Test
  void answersGoOverTls() throws Exception {
    KeyStore pair = pair("a", "EC");
    pair("b", "RSA");
    Path certificate = folder.resolve("a.cert.pem");
    KeyStore read = PemFiles.read(certificate, folder.resolve("a.key.pem"), "x");
    Route route =
        new Route("GET", "/", null, e -> e.answer(200, "text/plain", new byte[] {'y', 'e', 's'}));
    try (WebServer server = start(List.of(route), new WebServer.Tls(read, "x"), 30_000)) {
      assertEquals("https", server.address().getScheme());
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      KeyStore trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, null);
      trusted.setCertificateEntry("server", pair.getCertificate("server"));
      trust.init(trusted);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, trust.getTrustManagers(), null);
      for (String host : List.of("localhost", "127.0.0.1")) {
        URI uri = URI.create("https://" + host + ":" + server.address().getPort() + "/");
        HttpsURLConnection connection = (HttpsURLConnection) uri.toURL().openConnection();
        connection.setSSLSocketFactory(context.getSocketFactory());
        assertEquals("yes", new String(connection.getInputStream().readAllBytes()));
      }
      try (Socket plain = connect(server)) {
        write(plain, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assertFalse(read(plain).contains("yes"));
      }
    }
    InputException other =
        assertThrows(
            InputException.class,
            () -> PemFiles.read(certificate, folder.resolve("b.key.pem"), "x"));
    assertTrue(other.getMessage().contains("is not that of certificate"), other::getMessage);
    PemFiles.read(folder.resolve("b.cert.pem"), folder.resolve("b.key.pem"), "x");
    Path old = Files.writeString(folder.resolve("old.pem"), pem("RSA PRIVATE KEY", new byte[3]));
    InputException form =
        assertThrows(InputException.class, () -> PemFiles.read(certificate, old, "x"));
    assertTrue(form.getMessage().contains("openssl pkcs8 -topk8"), form::getMessage);
    assertThrows(InputException.class, () -> PemFiles.read(old, old, "x"));
    assertThrows(InputException.class, () -> PemFiles.read(folder.resolve("none"), old, "x"));
  }
}
