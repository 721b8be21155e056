package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client;
import dev.attune.server.data.DataCheck;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is killed again and again under a client that sends files in parts, and sends again
 * what was not answered: each file is there once, with its bytes. {@code -Dattune.server.kills=100}
 * tries it more often.
 */
@Timeout(3600)
class UploadsKillTest {
  private static final int KILLS = Integer.getInteger("attune.server.kills", 5);
  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final int MOST_BYTES = 400_000;
  private static final int PIECE = 30_000;

  @TempDir Path scratch;

  /** A file on its way: what was answered of it. */
  private static final class Sent {
    private final String name;
    private final byte[] content;
    private final List<String> parts = new ArrayList<>();
    private String upload; // null: not answered yet
    private String file; // likewise

    Sent(int number, Random random) {
      name = "number-" + number + ".bin";
      content = new byte[1 + random.nextInt(MOST_BYTES)];
      random.nextBytes(content);
    }

    /** Goes on from what was answered. */
    void goOn(Client client) throws Exception {
      if (upload == null) {
        String body = "{'filename': '%s', 'purpose': 'user_data', 'bytes': %d, 'mime_type': 'x/y'}";
        upload =
            client.post("uploads", body.formatted(name, content.length)).good().at("/id").asText();
      }
      for (int at = PIECE * parts.size(); at < content.length; at += PIECE) {
        byte[] piece = Arrays.copyOfRange(content, at, Math.min(content.length, at + PIECE));
        byte[] form = Client.form("data", "piece", piece, Map.of());
        parts.add(client.postForm("uploads/" + upload + "/parts", form).good().at("/id").asText());
      }
      String order = parts.stream().collect(Collectors.joining("','", "{'part_ids': ['", "']}"));
      JsonNode done = client.post("uploads/" + upload + "/complete", order).good();
      file = done.at("/file/id").asText();
    }
  }

  /** Sends files until the server has gone. */
  private void send(ServedProcess server, List<Sent> all, Random random) throws Exception {
    Client client = new Client(server.address(), null);
    try {
      while (true) {
        if (all.isEmpty() || all.get(all.size() - 1).file != null) {
          all.add(new Sent(all.size(), random));
        }
        all.get(all.size() - 1).goOn(client);
      }
    } catch (IOException e) {
      // killed
    }
  }

  @Test
  void whatWasAnsweredIsThereAndWhatIsSentAgainIsThereOnce() throws Exception {
    JobsTrial.makeBases(scratch);
    Random random = new Random(SEED);
    List<Sent> all = new ArrayList<>();
    ServedProcess server = new ServedProcess(scratch, "512m", ServedProcess.SHORT_LIVED);
    try {
      for (int i = 0; i < KILLS; i++) {
        CompletableFuture<Void> kill = server.killSoon(random, 1500);
        send(server, all, random);
        kill.join();
        List<String> problems = DataCheck.of(scratch.resolve("data"));
        problems.removeIf(problem -> problem.contains("the next start removes it"));
        assertEquals(List.of(), problems);
        server = new ServedProcess(scratch, "512m", ServedProcess.SHORT_LIVED);
      }
      Client client = new Client(server.address(), null);
      all.get(all.size() - 1).goOn(client);
      JsonNode files = client.get("files?limit=10000&order=asc").json().path("data");
      assertEquals(
          all.stream().map(sent -> sent.name).toList(), files.findValuesAsText("filename"));
      for (Sent sent : all) {
        assertArrayEquals(sent.content, client.get("files/" + sent.file + "/content").bytes());
      }
      assertTrue(all.size() > 1, "no file came whole, seed " + SEED);
      System.out.printf(
          "survived: uploads: {%d kills, %d files, seed %d}%n", KILLS, all.size(), SEED);
    } finally {
      server.close();
    }
    assertEquals(List.of(), DataCheck.of(scratch.resolve("data")));
  }
}
