package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.BackendException;
import dev.attune.run.AdapterTraining;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Metrics;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.training.CallBook.Submission;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A session whose device fails. */
@Timeout(60)
class DeskTest {
  private static final long MEMORY = 1L << 30;

  @TempDir Path scratch;
  private DataFolder data;
  private TrainingMemory memory;
  private Workshop workshop;
  private Works works;
  private Desk desk;

  @BeforeEach
  void begin() {
    TrainingTrial.makeBase(scratch);
    data = DataFolder.open(scratch.resolve("data"));
    ModelCatalog models =
        new ModelCatalog(
            data.journal(), Map.of("decoder", scratch.resolve("decoder")), data.models());
    TrainingStore store = new TrainingStore(data.journal());
    workshop = new Workshop(data.journal(), store, models, data.training(), data.models());
    works = new Works(workshop);
    memory = new TrainingMemory(MEMORY);
    ObjectNode body = JsonNodeFactory.instance.objectNode().put("model", "decoder");
    body.putObject("lora").put("rank", 4);
    SessionRequest request = SessionRequest.of(Fields.of(body));
    AdapterTraining.Need need = workshop.need("local", request);
    TrainingSession session =
        new TrainingSession(
            "tsess-a", "local", 1, request, need.vocabulary(), need.length(), need.bytes());
    store.create(session, 1);
    desk =
        new Desk(
            session,
            new Desk.Means(
                store,
                workshop,
                memory,
                new WaitingBytes(MEMORY),
                new Semaphore(1, true),
                new CallMetrics(new Metrics())));
  }

  @AfterEach
  void end() throws InterruptedException {
    desk.end();
    desk.join(10_000);
    assertEquals(0, memory.bytes());
    data.close();
  }

  private Call submit(String kind, String json) throws Exception {
    Fields body = Fields.of((ObjectNode) TrainingTrial.JSON.readTree(json.replace('\'', '"')));
    return submit(kind, works.read(kind, body, desk.session()));
  }

  private Call submit(String kind, Works.Asked asked) {
    return desk.submit(new Submission(kind, null, null, "", asked));
  }

  private static JsonNode ended(Call call) throws InterruptedException {
    assertTrue(call.await(30_000));
    return call.toJson();
  }

  @Test
  void aModelThatIsLostIsRestoredAloud() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    submit("optim_step", TrainingTrial.STEP);
    submit("save_state", "{'name': 'one'}");
    submit("forward_backward", TrainingTrial.gradient(1));
    Call done = submit("optim_step", TrainingTrial.STEP);
    ended(done);
    Semaphore go = new Semaphore(0);
    Call failing =
        submit(
            "forward",
            new Works.Asked(
                (training, turn) -> {
                  go.acquireUninterruptibly();
                  throw new BackendException("the device has fallen off the bus");
                },
                1));
    Call behind = submit("optim_step", TrainingTrial.STEP);
    go.release();
    assertEquals("server_error", ended(failing).at("/error/code").asText());
    assertEquals("lost", ended(behind).path("status").asText());
    ApiException refusal =
        assertThrows(ApiException.class, () -> submit("optim_step", TrainingTrial.STEP));
    assertEquals(409, refusal.status());
    assertTrue(refusal.getMessage().contains("'one', at step 1: 4 calls"), refusal.getMessage());
    assertEquals("lost", desk.call(done.row().id()).toJson().path("status").asText());
    assertEquals("restored", desk.status());
    desk.resume();
    assertNotEquals("restored", desk.status());
    submit("forward_backward", TrainingTrial.gradient(1));
    assertEquals(2, ended(submit("optim_step", TrainingTrial.STEP)).at("/result/steps").asInt());
  }

  @Test
  void aModelThatCannotBeOpenedSaysSo() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    submit("optim_step", TrainingTrial.STEP);
    ended(submit("save_state", "{'name': 'one'}"));
    desk.closeIfIdle(0);
    for (int i = 0; i < 1000 && !desk.status().equals("closed"); i++) {
      Thread.sleep(10);
      desk.closeIfIdle(0);
    }
    assertEquals("closed", desk.status());
    Path folder = scratch.resolve("decoder");
    assertTrue(folder.toFile().renameTo(scratch.resolve("away").toFile()));
    JsonNode call = ended(submit("sample", "{'prompt': [1], 'max_tokens': 1}"));
    assertEquals("failed", call.path("status").asText());
    assertTrue(scratch.resolve("away").toFile().renameTo(folder.toFile()));
    JsonNode again = ended(submit("sample", "{'prompt': [1], 'max_tokens': 1}"));
    assertEquals("succeeded", again.path("status").asText(), again::toString);
    assertEquals(1, desk.toJson(1).path("steps").asInt());
  }
}
