package dev.attune.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.ServerConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Requests that are no requests, or are meant to harm: each is answered in the API's form. */
@Timeout(120)
class HostileHttpTest {
  private static final String UPLOAD =
      "{\"filename\":\"a.jsonl\",\"purpose\":\"fine-tune\",\"bytes\":1,\"mime_type\":\"x\"}";

  @TempDir private static Path folder;
  private static AttuneServer server;
  private static Client client;

  @BeforeAll
  static void start() {
    server = AttuneServer.start(new ServerConfig().port(0).dataDir(folder.resolve("data")));
    client = new Client(server.address(), null);
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static Socket connect() throws IOException {
    Socket socket = new Socket("127.0.0.1", server.address().getPort());
    socket.setSoTimeout(20_000);
    return socket;
  }

  private static void write(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    socket.getOutputStream().flush();
  }

  /** Sends bytes as they are; returns all that comes back. */
  private static String raw(String request) throws IOException {
    try (Socket socket = connect()) {
      write(socket, request);
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static void assertRefused(int status, String answer) throws IOException {
    assertTrue(answer.startsWith("HTTP/1.1 " + status + " "), answer);
    String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
    assertFalse(new ObjectMapper().readTree(body).at("/error/message").asText().isEmpty(), answer);
    assertFalse(answer.contains("Jetty"), answer);
    assertFalse(answer.contains("at dev."), answer);
  }

  @Test
  void whatIsNoHttpIsRefusedAsAnErrorOfTheApi() throws Exception {
    assertRefused(400, raw("GARBAGE\r\n\r\n"));
    assertRefused(400, raw("GET /v1/files HTTP/1.1\r\n\r\n")); // no Host
    assertRefused(400, raw("GET /v1/files HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"));
    assertRefused(
        431,
        raw("GET /v1/files HTTP/1.1\r\nHost: localhost\r\nX: " + "a".repeat(20_000) + "\r\n\r\n"));
    assertRefused(
        414, raw("GET /v1/" + "a".repeat(20_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assertRefused(
        400,
        raw(
            "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    assertRefused(
        400,
        raw(
            "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"));
    assertRefused(
        400,
        raw(
            "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                + "Content-Length: 6\r\n\r\n{}"));
    assertRefused(505, raw("GET /v1/files HTTP/3.7\r\nHost: localhost\r\n\r\n"));
  }

  /** Else a client sends its next request to where nobody reads it. */
  @Test
  void whoIsHungUpOnIsTold() throws Exception {
    for (String line : List.of("GET /v1/files/%00 HTTP/1.1", "DELETE /v1/%zz HTTP/1.1", "X")) {
      try (Socket socket = connect()) {
        write(socket, line + "\r\nHost: localhost\r\n\r\n");
        String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertRefused(400, answer);
        assertTrue(answer.contains("\r\nConnection: close\r\n"), answer);
      }
    }
  }

  @Test
  void pathsLeadNowhereElse() throws Exception {
    for (String path :
        List.of(
            "/v1/files/../../../etc/passwd",
            "/v1/files/..%2f..%2f..%2fetc%2fpasswd/content",
            "/v1/files/%2e%2e/content",
            "/v1/files/%252e%252e%252fjournal.db/content",
            "/v1/files/..;/content",
            "/v1/files/%00/content",
            "/v1/files/a%0d%0aSet-Cookie:x/content",
            "/v1//files",
            "/v1/files/",
            "//localhost/v1/files",
            "/v1/files/%ff",
            "/v1/files/%zz",
            "/v1/files/%",
            "/v1/files;x=y",
            "/v1/FILES")) {
      String answer = raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertTrue(answer.matches("(?s)HTTP/1\\.1 (400|404) .*"), path + "\n" + answer);
      assertTrue(answer.contains("\"error\""), path + "\n" + answer);
      assertFalse(answer.contains("Set-Cookie:x\r\n"), path + "\n" + answer);
    }
    // A slash in a name is a letter of it.
    Answer named = client.get("/v1/files/org%2Fname");
    assertEquals(404, named.status());
    assertTrue(named.message().contains("'org/name'"), named::text);
  }

  @Test
  void bodiesAreStrictJson() throws Exception {
    record Case(String body, String message) {}
    List<Case> cases =
        List.of(
            new Case("", "no JSON object"),
            new Case("{", "no JSON"),
            new Case("[]", "no JSON object"),
            new Case("null", "no JSON object"),
            new Case("{} {}", "no JSON"),
            new Case("{\"bytes\":1,\"bytes\":2}", "Duplicate"),
            new Case("{\"bytes\":NaN}", "no JSON"),
            new Case("{\"a\":" + "[".repeat(5000) + "]".repeat(5000) + "}", "nesting depth"),
            new Case("{\"a\":" + "{\"a\":".repeat(5000) + "1" + "}".repeat(5001), "nesting depth"),
            new Case("{\"bytes\":" + "9".repeat(5000) + "}", "no JSON"),
            new Case("{\"a\":[" + "0,".repeat(1_500_000) + "0]}", "Token count"),
            new Case(UPLOAD.replace("1,", "1e999,"), "'bytes' is"),
            new Case(UPLOAD.replace("1,", "1.5,"), "'bytes' is 1.5"),
            new Case(UPLOAD.replace("1,", "\"1\","), "'bytes' is \"1\""),
            new Case(UPLOAD.replace("}", ",\"colour\":1}"), "'colour'"),
            new Case(UPLOAD.replace("\"fine-tune\"", "{}"), "'purpose' is {}"));
    for (Case one : cases) {
      Answer answer =
          client.send(
              client
                  .request("uploads")
                  .header("Content-Type", "application/json")
                  .POST(BodyPublishers.ofString(one.body())));
      assertEquals(400, answer.status(), answer::text);
      assertTrue(answer.message().contains(one.message()), one.message() + ": " + answer.text());
      assertTrue(answer.bytes().length < 1000, answer::text);
    }
    Answer bytes =
        client.send(
            client
                .request("uploads")
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(new byte[] {'{', '"', -1, '"', ':', '1', '}'})));
    assertEquals(400, bytes.status(), bytes::text);
  }

  @Test
  void typesAndEncodingsAreWhatTheyMustBe() throws Exception {
    for (String type :
        List.of("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")) {
      Answer answer =
          client.send(
              client
                  .request("uploads")
                  .header("Content-Type", type)
                  .POST(BodyPublishers.ofString(UPLOAD)));
      assertEquals(415, answer.status(), answer::text);
      assertTrue(answer.message().contains("takes application/json"), answer::text);
    }
    assertEquals(200, gzipped(UPLOAD.getBytes(StandardCharsets.UTF_8), "gzip").status());
    Answer bomb = gzipped(new byte[64 << 20], "gzip");
    assertEquals(413, bomb.status(), bomb::text);
    assertEquals(415, gzipped(new byte[10], "br").status());
    Answer none =
        client.send(
            client
                .request("uploads")
                .header("Content-Type", "application/json")
                .header("Content-Encoding", "gzip")
                .POST(BodyPublishers.ofString(UPLOAD)));
    assertEquals(400, none.status(), none::text);
    Answer form =
        client.send(
            client
                .request("files")
                .header("Content-Type", "multipart/form-data")
                .POST(BodyPublishers.ofString("x")));
    assertEquals(415, form.status(), form::text);
  }

  private static Answer gzipped(byte[] body, String encoding) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      out.write(body);
    }
    return client.send(
        client
            .request("uploads")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Content-Encoding", encoding)
            .POST(BodyPublishers.ofByteArray(bytes.toByteArray())));
  }

  @Test
  void largeBodiesAreRefusedAndTheClientHearsOfIt() throws Exception {
    byte[] large = new byte[(16 << 20) + 1];
    Answer told =
        client.send(
            client
                .request("uploads")
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(large)));
    assertEquals(413, told.status(), told::text);
    Answer streamed =
        client.send(
            client
                .request("uploads")
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(large))));
    assertEquals(413, streamed.status(), streamed::text);
    assertTrue(streamed.message().contains("16777216 bytes"), streamed::text);
  }

  @Test
  void methodsAreThoseOfThePath() throws Exception {
    Answer put = client.send(client.request("files").PUT(BodyPublishers.noBody()));
    assertEquals(405, put.status());
    assertEquals("GET, POST", put.header("Allow"));
    Answer head = client.send(client.request("files").method("HEAD", BodyPublishers.noBody()));
    assertEquals(200, head.status());
    assertEquals(0, head.bytes().length);
    assertTrue(Integer.parseInt(head.header("Content-Length")) > 0);
    Answer options =
        client.send(client.request("files").method("OPTIONS", BodyPublishers.noBody()));
    assertEquals(405, options.status());
    assertNull(options.header("Access-Control-Allow-Origin"));
    assertRefused(405, raw("TRACE /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  }

  @Test
  void pagesOfOtherSitesAreRefused() throws Exception {
    String post =
        "POST /v1/uploads HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n"
            + "Content-Length: "
            + UPLOAD.length()
            + "\r\n\r\n"
            + UPLOAD;
    int port = server.address().getPort();
    assertRefused(403, raw(String.format(post, "evil.example", "")));
    assertRefused(403, raw(String.format(post, "localhost.evil.example:" + port, "")));
    assertRefused(
        403, raw(String.format(post, "localhost:" + port, "Origin: http://evil.example\r\n")));
    assertRefused(403, raw(String.format(post, "localhost:" + port, "Origin: null\r\n")));
    assertRefused(
        403, raw(String.format(post, "localhost:" + port, "Origin: http://localhost:1\r\n")));
    for (String host : List.of("localhost", "127.0.0.1", "[::1]", "LOCALHOST")) {
      String own = "Origin: http://" + host + ":" + port + "\r\n";
      assertTrue(
          raw(String.format(post, host + ":" + port, own)).startsWith("HTTP/1.1 200 "), host);
    }
  }

  @Test
  void theHostThatItWasToldToServeIsOneOfItsNames() throws Exception {
    try (AttuneServer other =
        AttuneServer.start(
            new ServerConfig().host("127.0.0.2").port(0).dataDir(folder.resolve("other-data")))) {
      for (String host : List.of("127.0.0.2", "localhost", "evil.example")) {
        try (Socket socket = new Socket("127.0.0.2", other.address().getPort())) {
          socket.setSoTimeout(20_000);
          write(socket, "GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
          String answer =
              new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
          String status = host.equals("evil.example") ? "403" : "200";
          assertTrue(answer.startsWith("HTTP/1.1 " + status), answer);
        }
      }
    }
  }

  /** That which asks. */
  private static void assertOneRequestIsWorkedOn() throws Exception {
    String metrics = "";
    for (int i = 0; i < 100; i++) {
      metrics = client.get("/metrics").text();
      if (metrics.contains("attune_http_requests_active 1\n")) {
        return;
      }
      Thread.sleep(100);
    }
    fail(metrics);
  }

  @Test
  void slowClientsHoldNoThreads() throws Exception {
    List<Socket> slow = new ArrayList<>();
    try {
      for (int i = 0; i < 1000; i++) {
        Socket socket = connect();
        slow.add(socket);
        write(
            socket,
            switch (i % 4) {
              case 0 -> ""; // says nothing
              case 1 -> "GET /v1/files HT"; // no end of its headers
              case 2 ->
                  "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                      + "\r\nContent-Length: 100\r\n\r\n{";
              default ->
                  "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                      + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
                      + "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{";
            });
      }
      long began = System.nanoTime();
      for (int i = 0; i < 20; i++) {
        assertEquals(200, client.get("files").status());
      }
      assertTrue(System.nanoTime() - began < 10_000_000_000L);
      assertOneRequestIsWorkedOn();
      int threads = Thread.getAllStackTraces().size();
      assertTrue(threads < 200, threads + " threads");
      // They end what they have begun, and are answered.
      write(slow.get(1), "TP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      String answer =
          new String(slow.get(1).getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertTrue(answer.startsWith("HTTP/1.1 200 "), answer);
    } finally {
      for (Socket socket : slow) {
        socket.close();
      }
    }
    assertEquals(200, client.get("files").status());
  }

  @Test
  void aClientThatDoesNotReadHoldsNoThread() throws Exception {
    String content = "{\"text\":\"" + "a".repeat(8 << 20) + "\"}";
    String id = client.upload("a.jsonl", content).json().path("id").asText();
    List<Socket> idle = new ArrayList<>();
    try {
      for (int i = 0; i < 50; i++) {
        Socket socket = connect();
        idle.add(socket);
        write(socket, "GET /v1/files/" + id + "/content HTTP/1.1\r\nHost: localhost\r\n\r\n");
      }
      assertOneRequestIsWorkedOn();
    } finally {
      for (Socket socket : idle) {
        socket.close();
      }
    }
    assertEquals(content.length(), client.get("files/" + id + "/content").bytes().length);
    client.delete("files/" + id);
  }

  @Test
  void formsAreBounded() throws Exception {
    byte[] many =
        Client.form(
            "file",
            "a.jsonl",
            "{}".getBytes(StandardCharsets.US_ASCII),
            Map.of("purpose", "x".repeat(100_000)));
    Answer text = client.postForm("files", many);
    assertEquals(400, text.status());
    assertTrue(text.message().contains("longer than"), text::text);
    StringBuilder parts = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      parts
          .append("--")
          .append(Client.BOUNDARY)
          .append("\r\nContent-Disposition: form-data; name=\"f" + i + "\"\r\n\r\nx\r\n");
    }
    parts.append("--").append(Client.BOUNDARY).append("--\r\n");
    Answer answer = client.postForm("files", parts.toString().getBytes(StandardCharsets.US_ASCII));
    assertEquals(400, answer.status(), answer::text);
  }

  @Test
  void requestsAreCounted() throws Exception {
    client.get("files/file-none");
    String metrics = client.get("/metrics").text();
    assertTrue(
        metrics.contains(
            "attune_http_requests_total{method=\"GET\",route=\"/v1/files/{file}\",status=\"404\"}"),
        metrics);
    assertTrue(metrics.contains("attune_http_request_duration_seconds_bucket{route="), metrics);
    assertTrue(metrics.endsWith("# EOF\n"), metrics);
    Answer answer = client.get("files");
    assertTrue(answer.header("x-request-id").startsWith("req_"));
    assertEquals("nosniff", answer.header("X-Content-Type-Options"));
    assertNull(answer.header("Server"));
  }
}
