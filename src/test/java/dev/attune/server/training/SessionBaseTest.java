package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.database.Journal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A session goes on with the files that it was begun with, whatever has become of their place. */
@Timeout(240)
class SessionBaseTest {
  private static final String SAMPLE =
      "{'prompt': 'a', 'max_tokens': 4, 'temperature': 0, 'seed': 1}";
  private static final String LINE = "line-test";

  @TempDir Path scratch;
  private TrainingTrial trial;

  @BeforeEach
  void makeBase() {
    TrainingTrial.makeBase(scratch);
    trial = new TrainingTrial(scratch).start();
  }

  @AfterEach
  void end() {
    trial.close();
  }

  private Path weights() {
    return scratch.resolve("decoder/model.safetensors");
  }

  private byte[] changed() throws IOException {
    byte[] was = Files.readAllBytes(weights());
    byte[] other = was.clone();
    other[other.length - 1] ^= 1;
    Files.write(weights(), other);
    return was;
  }

  private JsonNode sampled(String session) throws Exception {
    return trial.post(session + "/sample?wait=true", SAMPLE);
  }

  /** Also before it has saved anything. */
  @Test
  void anotherBaseIsRefusedByName() throws Exception {
    String fresh = trial.begin("");
    String trained = trial.begin("");
    String said = TrainingTrial.succeeded(sampled(fresh)).toString();
    trial.train(trained, 0, 2);
    trial.done(trained, "save_state", "{'name': 'two'}");
    trial.close();
    byte[] was = changed();
    trial.start();
    trial.post(fresh + "/resume", "{}");
    for (String session : List.of(fresh, trained)) {
      JsonNode refused = sampled(session);
      assertEquals("base_changed", refused.at("/error/code").asText(), refused::toString);
      String message = refused.at("/error/message").asText();
      assertTrue(message.startsWith("The files of 'decoder' are not those that"), message);
    }
    trial.close();
    Files.write(weights(), was);
    trial.start();
    trial.post(fresh + "/resume", "{}");
    trial.post(trained + "/resume", "{}"); // of the call that was refused
    assertEquals(said, TrainingTrial.succeeded(sampled(fresh)).toString());
    trial.train(trained, 2, 4);
    assertEquals(4, trial.done(trained, "save_state", "{'name': 'four'}").path("steps").asInt());
  }

  private void change(String... statements) {
    try (Journal journal = Journal.open(trial.data().resolve("journal.db"), List.of())) {
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
  private void version(int number) throws IOException {
    Path to = trial.data().resolve("models/" + LINE + "/v" + number);
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(scratch.resolve("decoder"))) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    byte[] weights = Files.readAllBytes(weights());
    weights[weights.length - 1] ^= (byte) number;
    Files.write(to.resolve("model.safetensors"), weights);
    String values =
        String.format(
            "VALUES('local', 'decoder', %d, %d, '%s/v%d', 'ready', 1, 0, NULL, NULL)",
            number, number - 1, LINE, number);
    change("INSERT INTO model_versions " + values, "UPDATE model_lines SET live = " + number);
  }

  private String saved() throws Exception {
    String session = trial.begin("");
    trial.train(session, 0, 1);
    trial.done(session, "save_state", "{'name': 'one'}");
    return session;
  }

  private String model(String session) throws Exception {
    return trial.get(session).path("model").asText();
  }

  /** Earlier servers noted the name alone, and opened what it stood for at the time. */
  @Test
  void aSessionOfAnEarlierServerIsOfTheVersionThatItWasTrainedOn() throws Exception {
    String ofFirst = saved();
    trial.close();
    change(
        "INSERT INTO model_lines VALUES('local', 'decoder', 1, 0, '" + LINE + "')",
        "INSERT INTO model_versions VALUES('local', 'decoder', 1, 0, NULL, 'ready', 1, 0, NULL, NULL)");
    version(2);
    trial.start();
    String ofSecond = saved();
    String untrained = trial.begin("");
    assertEquals("decoder@v2", model(ofSecond));
    trial.close();
    version(3);
    change(
        "UPDATE training_sessions SET model = 'decoder',"
            + " request = json_set(request, '$.model', 'decoder')",
        "DELETE FROM training_bases");
    trial.start();
    assertEquals("decoder", model(ofFirst));
    assertEquals("decoder@v2", model(ofSecond));
    assertEquals("decoder@v3", model(untrained));
    for (String session : List.of(ofFirst, ofSecond)) {
      trial.train(session, 1, 2);
      assertEquals(2, trial.done(session, "save_state", "{'name': 'two'}").path("steps").asInt());
    }
    TrainingTrial.succeeded(sampled(untrained));
  }
}
