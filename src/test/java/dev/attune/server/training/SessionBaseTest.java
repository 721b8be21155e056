package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Metrics;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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
    for (String session : List.of(fresh, trained)) {
      JsonNode refused = sampled(session);
      assertEquals("base_changed", refused.at("/error/code").asText(), refused::toString);
      String message = refused.at("/error/message").asText();
      assertTrue(message.startsWith("The files of 'decoder' are not those that"), message);
      assertRefused(message, session + "/encode", "{'text': 'a'}");
      assertRefused(message, session + "/decode", "{'tokens': [1]}");
    }
    trial.close();
    Files.write(weights(), was);
    trial.start();
    assertEquals(said, TrainingTrial.succeeded(sampled(fresh)).toString());
    trial.train(trained, 2, 4);
    assertEquals(4, trial.done(trained, "save_state", "{'name': 'four'}").path("steps").asInt());
  }

  private void assertRefused(String message, String path, String body) throws Exception {
    Client.Answer answer = trial.client().post(TrainingTrial.PATH + path, body);
    assertEquals(409, answer.status(), answer::text);
    assertEquals(message, answer.json().at("/error/message").asText(), answer::text);
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

  private void beginLine() {
    change(
        "INSERT INTO model_lines VALUES('local', 'decoder', 1, 0, '" + LINE + "')",
        "INSERT INTO model_versions VALUES('local', 'decoder', 1, 0, NULL, 'ready', 1, 0, NULL, NULL)");
  }

  /** Earlier servers noted the name alone, and opened what it stood for at the time. */
  private void unpin() {
    change(
        "UPDATE training_sessions SET model = 'decoder',"
            + " request = json_set(request, '$.model', 'decoder')",
        "DELETE FROM training_bases");
  }

  /** A version that cannot be read is no reason not to look at the next. */
  @Test
  void aSessionOfAnEarlierServerIsOfTheVersionThatItWasTrainedOn() throws Exception {
    String ofFirst = saved();
    String untrained = trial.begin("");
    trial.close();
    beginLine();
    version(2);
    Files.delete(trial.data().resolve("models/" + LINE + "/v2/config.json"));
    version(3);
    trial.start();
    String ofThird = saved();
    assertEquals("decoder@v3", model(ofThird));
    trial.close();
    version(4);
    unpin();
    trial.start();
    assertEquals("decoder", model(ofFirst));
    assertEquals("decoder@v3", model(ofThird));
    assertEquals("decoder", model(untrained));
    for (String session : List.of(ofFirst, ofThird)) {
      trial.train(session, 1, 2);
      assertEquals(2, trial.done(session, "save_state", "{'name': 'two'}").path("steps").asInt());
    }
    TrainingTrial.succeeded(sampled(untrained));
  }

  @Test
  void onlySessionsWhoseModelsAreReadForItWaitUntilTheyArePinned() throws Exception {
    String trained = saved().substring(1);
    String untrained = trial.begin("").substring(1);
    trial.close();
    beginLine();
    version(2);
    unpin();
    try (DataFolder data = DataFolder.open(trial.data())) {
      ModelCatalog models =
          new ModelCatalog(
              data.journal(), Map.of("decoder", scratch.resolve("decoder")), data.models());
      ModelRoom room = new ModelRoom(models, data.models(), tenant -> Limits.NONE);
      Sessions.Parts parts =
          new Sessions.Parts(
              data.journal(), models, room, tenant -> Limits.NONE, data.training(), data.models());
      try (Sessions sessions =
          new Sessions(parts, new TrainingMemory(1L << 30), Duration.ofMinutes(1), new Metrics())) {
        sessions.start();
        assertEquals("closed", sessions.desk("local", untrained).status());
        ApiException busy = assertThrows(ApiException.class, () -> sessions.desk("local", trained));
        assertEquals(429, busy.status());
        ApiException unknown =
            assertThrows(ApiException.class, () -> sessions.desk("other", trained));
        assertEquals(404, unknown.status());
        sessions.startUnpinned();
        assertEquals("closed", sessions.desk("local", trained).status());
      }
    }
  }
}
