package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Bodies that break, fall silent, begin again, or are not what they should be. */
class BlobDownloadTest extends HubTrial {
  /** Sends a part of a file and breaks off. */
  private static boolean half(com.sun.net.httpserver.HttpExchange exchange, byte[] content)
      throws IOException {
    exchange.sendResponseHeaders(200, content.length);
    OutputStream out = exchange.getResponseBody();
    out.write(content, 0, content.length / 2);
    out.flush();
    throw new IOException("broken on purpose");
  }

  @Test
  void aBodyThatBreaksGoesOnWhereItBroke() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(FakeHub.etag(content), 1, exchange -> half(exchange, content));
    assertWhole(model(NAME), files());
    List<FakeHub.Request> store = server.requests(FakeHub.etag(content));
    assertEquals(2, store.size(), store::toString);
    int from = Integer.parseInt(store.get(1).range().replaceAll("bytes=(\\d+)-", "$1"));
    assertTrue(
        from > 1_000_000 && from <= 1_500_000, "what had come is not fetched again: " + from);
    assertEquals(1, pauses.size());
  }

  /**
   * Breaks bodies, and then does not go on with them, in either way that there is of not going on.
   */
  @ParameterizedTest
  @CsvSource({"400000, false", "400000, true", "1500000, false", "1500000, true"})
  void aServerThatNeverGoesOnIsGivenUp(int bytes, boolean otherRange) {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        40,
        exchange -> {
          if (exchange.getRequestHeaders().getFirst("Range") == null) {
            exchange.sendResponseHeaders(200, content.length);
            OutputStream out = exchange.getResponseBody();
            out.write(content, 0, bytes);
            out.flush();
            throw new IOException("broken on purpose");
          }
          exchange.getResponseHeaders().set("Content-Range", "bytes 7-9/10");
          FakeHub.send(exchange, otherRange ? 206 : 416, new byte[3]);
          return true;
        });
    failure(NAME);
    int tries = server.requests(FakeHub.etag(content)).size();
    assertTrue(tries >= 6 && tries <= 7, "it is asked " + tries + " times");
  }

  @Test
  void aServerWithoutRangesThatBreaksEachBodyIsGivenUp() {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    server.withoutRanges = true;
    AtomicInteger bodies = new AtomicInteger();
    fault(
        FakeHub.etag(content),
        40,
        exchange -> {
          exchange.sendResponseHeaders(200, content.length);
          OutputStream out = exchange.getResponseBody();
          out.write(content, 0, bodies.getAndIncrement() % 2 == 0 ? 300_000 : 2_000_000);
          out.flush();
          throw new IOException("broken on purpose");
        });
    failure(NAME);
    assertTrue(bodies.get() < 10, "it is asked " + bodies.get() + " times");
  }

  @Test
  void aServerWithoutRangesBeginsAgain() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(FakeHub.etag(content), 1, exchange -> half(exchange, content));
    server.withoutRanges = true;
    assertWhole(model(NAME), files());
  }

  @Test
  void aSilentBodyIsGivenUpAndTriedAgain() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        1,
        exchange -> {
          exchange.sendResponseHeaders(200, content.length);
          exchange.getResponseBody().write(content, 0, 700_000);
          exchange.getResponseBody().flush();
          FakeHub.pause(8000);
          return true;
        });
    long begin = System.nanoTime();
    assertWhole(model(NAME), files());
    assertTrue(System.nanoTime() - begin < 7e9, "it does not wait for the silent one");
    assertEquals(1, pauses.size());
  }

  @Test
  void otherBytesThanDescribedAreNeverKept() throws Exception {
    Map<String, byte[]> files = files();
    server.model(NAME).commit("main", files);
    byte[] content = files.get("model.safetensors");
    byte[] other = content.clone();
    other[1000] ^= 1;
    FakeHub.Fault lie =
        exchange -> {
          FakeHub.send(exchange, 200, other);
          return true;
        };
    fault(FakeHub.etag(content), 1, lie);
    assertWhole(model(NAME), files);
    Files.delete(repository().resolve("blobs").resolve(FakeHub.etag(content)));
    server.faults.clear();
    fault(FakeHub.etag(content), 9, lie);
    String message = failure(NAME);
    assertTrue(message.contains("brings other bytes than the hub describes, twice"), message);
    assertFalse(Files.exists(repository().resolve("blobs").resolve(FakeHub.etag(content))));
    assertNoRests();
    server.faults.clear();
    byte[] small = files.get("vocab.txt");
    Files.delete(repository().resolve("blobs").resolve(FakeHub.etag(small)));
    server.faults.add(
        exchange -> {
          boolean mine =
              exchange.getRequestURI().getPath().endsWith("vocab.txt")
                  && exchange.getRequestMethod().equals("GET");
          if (mine) {
            FakeHub.send(exchange, 200, "a\nc\n".getBytes(UTF_8));
          }
          return mine;
        });
    assertTrue(failure(NAME).contains("expected " + FakeHub.etag(small)));
  }

  @Test
  void longerBodiesThanDescribedAreCutOff() {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        9,
        exchange -> {
          FakeHub.send(exchange, 200, bytes(content.length + 100_000, 4));
          return true;
        });
    assertTrue(failure(NAME).contains("brings more than its 3000000 bytes"));
  }
}
