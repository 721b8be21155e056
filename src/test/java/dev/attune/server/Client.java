package dev.attune.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;

/** A client of a server's API in tests, with a key or without. */
public final class Client {
  /** Of forms. */
  public static final String BOUNDARY = "----boundary7MA4YWxkTrZu0gW";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  /** Kept, as loggers are forgotten with what was set of them. */
  private static final List<Logger> QUIET =
      List.of(Logger.getLogger("dev.attune.server.access"), Logger.getLogger("org.eclipse.jetty"));

  static {
    QUIET.forEach(logger -> logger.setLevel(Level.WARNING));
  }

  private final URI base;
  private final String key; // null: none

  /**
   * @param address of the server, with {@code /v1}
   */
  public Client(URI address, String key) {
    this.base = address;
    this.key = key;
  }

  /** An answer. */
  public record Answer(int status, byte[] bytes, Map<String, List<String>> headers) {
    /** The body as JSON. */
    public JsonNode json() {
      try {
        return JSON.readTree(bytes);
      } catch (IOException e) {
        throw new AssertionError(text(), e);
      }
    }

    /** The body as JSON, where it answers that all is well. */
    public JsonNode good() {
      assertEquals(200, status, this::text);
      return json();
    }

    /** The body as text. */
    public String text() {
      return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The message of an error. */
    public String message() {
      return json().path("error").path("message").asText();
    }

    /** A header, or null. */
    public String header(String name) {
      return headers.getOrDefault(name.toLowerCase(java.util.Locale.ROOT), List.of()).stream()
          .findFirst()
          .orElse(null);
    }
  }

  /** A request to a path below {@code /v1}, or to one that begins with it or is of the root. */
  public HttpRequest.Builder request(String path) {
    URI uri =
        path.startsWith("/")
            ? URI.create(base.toString().replaceFirst("/v1$", "") + path)
            : URI.create(base + "/" + path);
    HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(60));
    if (key != null) {
      request.header("Authorization", "Bearer " + key);
    }
    return request;
  }

  /** Sends. */
  public Answer send(HttpRequest.Builder request) throws IOException, InterruptedException {
    HttpResponse<byte[]> response = HTTP.send(request.build(), BodyHandlers.ofByteArray());
    return new Answer(response.statusCode(), response.body(), response.headers().map());
  }

  public Answer get(String path) throws IOException, InterruptedException {
    return send(request(path).GET());
  }

  public Answer delete(String path) throws IOException, InterruptedException {
    return send(request(path).DELETE());
  }

  /** Posts JSON; of quotes it may have single ones. */
  public Answer post(String path, String json) throws IOException, InterruptedException {
    return send(
        request(path)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(json.replace('\'', '"'))));
  }

  public Answer post(String path) throws IOException, InterruptedException {
    return send(request(path).POST(BodyPublishers.noBody()));
  }

  /** A form: a file, then the texts, as OpenAI's clients send them. */
  public static byte[] form(
      String field, String filename, byte[] content, Map<String, String> texts) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    String head =
        "--"
            + BOUNDARY
            + "\r\nContent-Disposition: form-data; name=\""
            + field
            + "\"; filename=\""
            + filename
            + "\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    out.write(head.getBytes(StandardCharsets.UTF_8));
    out.write(content);
    out.write("\r\n".getBytes(StandardCharsets.UTF_8));
    for (Map.Entry<String, String> text : texts.entrySet()) {
      String part =
          "--"
              + BOUNDARY
              + "\r\nContent-Disposition: form-data; name=\""
              + text.getKey()
              + "\"\r\n\r\n"
              + text.getValue()
              + "\r\n";
      out.write(part.getBytes(StandardCharsets.UTF_8));
    }
    out.write(("--" + BOUNDARY + "--\r\n").getBytes(StandardCharsets.UTF_8));
    return out.toByteArray();
  }

  /** Sends a form whose length is not told, as a stream is. */
  public Answer postForm(String path, byte[] form) throws IOException, InterruptedException {
    BodyPublisher body = BodyPublishers.ofInputStream(() -> stream(form));
    return send(
        request(path)
            .header("Content-Type", "multipart/form-data; boundary=" + BOUNDARY)
            .POST(body));
  }

  private static InputStream stream(byte[] bytes) {
    return new java.io.ByteArrayInputStream(bytes);
  }

  /** Uploads a file for fine-tuning. */
  public Answer upload(String filename, String content) throws IOException, InterruptedException {
    byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
    return postForm("files", form("file", filename, bytes, Map.of("purpose", "fine-tune")));
  }
}
