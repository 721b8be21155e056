package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs whose base is another one on the disk when their turn comes. */
class ChangedBaseTest {
  private static final int LONG = 400;
  private static final int ENDLESS = 1_000_000;
  private static final String WEIGHTS = "model.safetensors";

  @TempDir Path scratch;
  private JobsTrial server;
  private String chats;

  @BeforeEach
  void startTheServer() {
    server = new JobsTrial(scratch);
    server.start();
    chats = JobsTrial.chats(40);
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  private String file() {
    return server.upload("chats.jsonl", chats);
  }

  private void steer(String id, String verb) {
    server.post("/fine_tuning/jobs/" + id + "/" + verb);
  }

  /** Changes a bit of a weight, or adds a line's end to a text; returns what was there. */
  private byte[] change(String name) throws IOException {
    byte[] was = Files.readAllBytes(server.base("decoder").resolve(name));
    byte[] other = Arrays.copyOf(was, was.length + (name.equals(WEIGHTS) ? 0 : 1));
    other[other.length - 1] = (byte) (name.equals(WEIGHTS) ? was[was.length - 1] ^ 1 : '\n');
    put(name, other);
    return was;
  }

  private void put(String name, byte[] content) throws IOException {
    Path place = server.base("decoder").resolve(name);
    Path written = Files.write(scratch.resolve("written"), content);
    Files.move(written, place, StandardCopyOption.REPLACE_EXISTING);
  }

  private void awaitRefusal(String id) {
    server.awaitStatus(id, "paused");
    List<String> events = server.events(id);
    assertTrue(
        events.stream().anyMatch(e -> e.contains("the files of 'decoder' are not those")),
        events::toString);
  }

  /** A job that no other of these can be trained with. */
  private static ObjectNode apart(ObjectNode job) {
    ((ObjectNode) job.get("attune")).put("gradient_checkpointing", true);
    return job;
  }

  @Test
  void aJobThatHasWaitedIsNotTrainedFromAnother() throws IOException {
    String file = file();
    String blocking = server.create(apart(JobsTrial.job(file, ENDLESS)));
    server.awaitStep(blocking, 1);
    String id = server.create(JobsTrial.job(file, 2));
    server.awaitStatus(id, "queued");
    byte[] was = change(WEIGHTS);
    steer(blocking, "cancel");
    awaitRefusal(id);
    steer(id, "resume");
    awaitRefusal(id);
    put(WEIGHTS, was);
    steer(id, "resume");
    server.awaitStatus(id, "succeeded");
  }

  @Test
  void aJobThatWasPausedGoesOnWithItsOwn() throws IOException {
    String id = server.create(JobsTrial.job(file(), LONG));
    server.awaitStep(id, 30);
    steer(id, "pause");
    String other = server.create(JobsTrial.job(file(), 2)); // until the first has come to a stop
    server.awaitStatus(other, "succeeded");
    byte[] was = change("chat_template.jinja");
    steer(id, "resume");
    awaitRefusal(id);
    put("chat_template.jinja", was);
    steer(id, "resume");
    server.awaitStatus(id, "succeeded");
    Path same = server.trained(chats, LONG, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(id)));
  }

  /** The one that is in memory is the former one. */
  @Test
  void aJobOnTheNewOneDoesNotJoinThoseOnTheFormer() throws IOException {
    String file = file();
    String former = server.create(JobsTrial.job(file, ENDLESS));
    server.awaitStep(former, 1);
    change(WEIGHTS);
    String latter = server.create(JobsTrial.job(file, LONG));
    server.awaitStatus(latter, "queued");
    JobsTrial.pause(1_000);
    assertEquals("queued", server.job(latter).path("status").asText());
    steer(former, "cancel");
    server.awaitStatus(latter, "succeeded");
    Path same = server.trained(chats, LONG, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(latter)));
  }
}
