package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A server of another version than that which has saved the checkpoint of a job. */
@Timeout(240)
class OtherVersionTest {
  private static final int STEPS = 400;
  private static final int ENDLESS = 1_000_000;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String chats = JobsTrial.chats(40);
  @TempDir Path scratch;
  private JobsTrial server;

  @BeforeEach
  void makeBases() {
    server = new JobsTrial(scratch);
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  @Test
  void aJobWhoseCheckpointNothingCanGoOnFromBeginsAgain() throws IOException {
    server.start();
    String id = server.create(JobsTrial.job(server.upload("chats.jsonl", chats), STEPS));
    server.awaitStep(id, 5);
    server.close();
    enlarge(server.data().resolve("models/" + id), "adam_m.bin");
    server.start();
    server.awaitStatus(id, "succeeded");
    List<String> events = server.events(id);
    assertTrue(events.stream().anyMatch(e -> e.endsWith("it begins again")), events::toString);
    assertTrue(events.stream().noneMatch(e -> e.contains(scratch.toString())), events::toString);
    Path same = server.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(id)));
  }

  /** One that is trained with others needs not wait for their ends to begin again. */
  @Test
  void aJobOfAGroupBeginsAgainBesideTheOthers() throws IOException {
    server.start();
    String file = server.upload("chats.jsonl", chats);
    String other = server.create(JobsTrial.job(file, ENDLESS));
    String id = server.create(JobsTrial.job(file, STEPS));
    server.awaitStep(other, 5);
    server.awaitStep(id, 5);
    server.close();
    enlarge(server.data().resolve("models/" + id), "adam_m.bin");
    server.start();
    server.awaitStatus(id, "succeeded");
    assertEquals("running", server.job(other).path("status").asText());
    for (String each : List.of(id, other)) {
      List<String> events = server.events(each);
      boolean again = events.stream().anyMatch(e -> e.endsWith("it begins again"));
      assertEquals(each.equals(id), again, events::toString);
    }
    server.post("/fine_tuning/jobs/" + other + "/cancel");
    Path same = server.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(id)));
  }

  /** Of a buffer of all checkpoints, soundly: as a version that keeps more in it writes it. */
  private static void enlarge(Path folder, String name) throws IOException {
    List<Path> manifests;
    try (Stream<Path> all = Files.walk(folder)) {
      manifests = all.filter(file -> file.endsWith("manifest.json")).toList();
    }
    assertTrue(!manifests.isEmpty(), "there is no checkpoint");
    for (Path file : manifests) {
      Path buffer = file.resolveSibling(name);
      byte[] was = Files.readAllBytes(buffer);
      byte[] more = Arrays.copyOf(was, was.length + Long.BYTES);
      Files.write(buffer, more);
      CRC32C crc = new CRC32C();
      crc.update(more);
      ObjectNode manifest = (ObjectNode) JSON.readTree(file.toFile());
      ObjectNode entry = (ObjectNode) manifest.path("files").path(name);
      entry.put("size", more.length).put("crc32c", crc.getValue());
      JSON.writeValue(file.toFile(), manifest);
    }
  }
}
