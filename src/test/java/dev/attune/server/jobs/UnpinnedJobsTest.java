package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Jobs of an earlier server, which noted a name that has come to stand for something else. */
@Timeout(120)
class UnpinnedJobsTest {
  private static final String LINE = "line-a";

  @TempDir Path scratch;
  private JobsTrial server;

  @BeforeEach
  void startTheServer() {
    server = new JobsTrial(scratch);
    server.start();
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  private void change(String... statements) {
    try (Journal journal = Journal.open(server.data().resolve("journal.db"), List.of())) {
      journal.change(
          session -> {
            for (String sql : statements) {
              session.update(sql);
            }
            return null;
          });
    }
  }

  /** Makes a version of the decoder whose weights are its own, and live. */
  private void version(int number) throws Exception {
    Path from = server.base("decoder");
    Path to = server.data().resolve("models/" + LINE + "/v" + number);
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    byte[] weights = Files.readAllBytes(from.resolve("model.safetensors"));
    weights[weights.length - 1] ^= (byte) number;
    Files.write(to.resolve("model.safetensors"), weights);
    String values = String.format("VALUES('local', 'decoder', %d, %d, ", number, number - 1);
    change(
        "INSERT INTO model_versions "
            + values
            + "'"
            + LINE
            + "/v"
            + number
            + "', 'ready', 1, 0, NULL, NULL)",
        "UPDATE model_lines SET live = " + number);
  }

  private String paused(ObjectNode job) {
    String id = server.create(job);
    server.awaitStep(id, 21);
    server.post("/fine_tuning/jobs/" + id + "/pause");
    return id;
  }

  @Test
  void aJobIsOfTheVersionThatItWasValidatedWith() throws Exception {
    String file = server.upload("chats.jsonl", JobsTrial.chats(40));
    String ofFirst = paused(JobsTrial.job(file, 150));
    server.close();
    change(
        "INSERT INTO model_lines VALUES('local', 'decoder', 1, 0, '" + LINE + "')",
        "INSERT INTO model_versions VALUES('local', 'decoder', 1, 0, NULL, 'ready', 1, 0, NULL, NULL)");
    version(2);
    server.start();
    String ofSecond = paused(JobsTrial.job(file, 150));
    assertEquals("decoder@v2", server.job(ofSecond).path("model").asText());
    server.close();
    version(3);
    server.start();
    String ofThird = paused(JobsTrial.job(file, 150));
    server.close();
    change(
        "UPDATE jobs SET request = json_remove(json_set(request, '$.model', 'decoder'), '$.pinned')"
            + " WHERE id IN ('"
            + ofSecond
            + "', '"
            + ofThird
            + "')",
        "UPDATE jobs SET plan = json_remove(plan, '$.base') WHERE id = '" + ofThird + "'");
    server.start();
    assertEquals("decoder", server.job(ofFirst).path("model").asText());
    assertEquals("decoder@v2", server.job(ofSecond).path("model").asText());
    assertEquals("decoder@v3", server.job(ofThird).path("model").asText());
    for (String id : List.of(ofFirst, ofSecond, ofThird)) {
      server.post("/fine_tuning/jobs/" + id + "/resume");
      server.awaitStatus(id, "succeeded");
    }
  }
}
