package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.BackendException;
import dev.attune.run.AdapterTraining;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Metrics;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.training.CallBook.Submission;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A session whose device, disk or journal fails. */
@Timeout(60)
class DeskTest {
  private static final long MEMORY = 1L << 30;

  @TempDir Path scratch;
  private final Semaphore turns = new Semaphore(1, true);
  private DataFolder data;
  private TrainingStore store;
  private TrainingMemory memory;
  private Workshop workshop;
  private Works works;
  private Desk desk;
  private Limits limits = Limits.NONE;

  @BeforeEach
  void begin() {
    TrainingTrial.makeBase(scratch);
    data = DataFolder.open(scratch.resolve("data"));
    ModelCatalog models =
        new ModelCatalog(
            data.journal(), Map.of("decoder", scratch.resolve("decoder")), data.models());
    store = new TrainingStore(data.journal());
    ModelRoom room = new ModelRoom(models, data.models(), tenant -> limits);
    workshop = new Workshop(data.journal(), store, models, room, data.training(), data.models());
    room.include(workshop::folders);
    works = new Works(workshop);
    memory = new TrainingMemory(MEMORY);
    SessionRequest request = request("decoder");
    AdapterTraining.Need need = workshop.need("local", request);
    TrainingSession session =
        new TrainingSession(
            "tsess-a", "local", 1, request, need.vocabulary(), need.length(), need.bytes());
    store.create(session, 1, change -> {});
    desk =
        new Desk(
            session,
            new Desk.Means(
                store,
                workshop,
                memory,
                new WaitingBytes(MEMORY),
                turns,
                new CallMetrics(new Metrics())));
  }

  private static SessionRequest request(String model) {
    ObjectNode body = JsonNodeFactory.instance.objectNode().put("model", model);
    body.putObject("lora").put("rank", 4);
    return SessionRequest.of(Fields.of(body));
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
    return submit(kind, null, works.read(kind, body, desk.session()));
  }

  private Call submit(String kind, Long sequence, Works.Asked asked) {
    return desk.submit(new Submission(kind, sequence, null, "", asked));
  }

  private Call numbered(long sequence) {
    Supplier<ObjectNode> none = JsonNodeFactory.instance::objectNode;
    return submit("forward", sequence, new Works.Asked((training, turn) -> none, 1));
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
    assertNull(done.work());
    Semaphore go = new Semaphore(0);
    Call failing =
        submit(
            "forward",
            null,
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

  /** Takes a table away, or puts it back: what the journal then says is that it cannot be read. */
  private void rename(String table, String to) {
    data.journal().change(session -> session.update("ALTER TABLE " + table + " RENAME TO " + to));
  }

  /** What the model has seen is not known then: nothing may go on as if nothing were lost. */
  @Test
  void aSessionStopsWhileTheJournalCannotBeRead() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    submit("optim_step", TrainingTrial.STEP);
    submit("save_state", "{'name': 'one'}");
    submit("forward_backward", TrainingTrial.gradient(1));
    Call done = submit("optim_step", TrainingTrial.STEP);
    Call failing =
        submit(
            "forward",
            null,
            new Works.Asked(
                (training, turn) -> {
                  rename("training_calls", "away");
                  throw new BackendException("the device has fallen off the bus");
                },
                1));
    assertEquals("server_error", ended(failing).at("/error/code").asText());
    for (int i = 0; i < 1000 && memory.bytes() > 0; i++) {
      Thread.sleep(10);
    }
    ApiException refusal =
        assertThrows(ApiException.class, () -> submit("optim_step", TrainingTrial.STEP));
    assertEquals(503, refusal.status());
    assertTrue(refusal.getMessage().contains("has stopped"), refusal.getMessage());
    assertEquals("stopped", desk.status());
    assertThrows(ApiException.class, () -> desk.opened(1));
    assertThrows(ApiException.class, desk::resume);
    rename("away", "training_calls");
    refusal = assertThrows(ApiException.class, () -> submit("optim_step", TrainingTrial.STEP));
    assertEquals(409, refusal.status());
    assertTrue(refusal.getMessage().contains("'one', at step 1: 3 calls"), refusal.getMessage());
    assertEquals("lost", desk.call(done.row().id()).toJson().path("status").asText());
    assertEquals(2, desk.call(done.row().id()).toJson().at("/result/steps").asInt());
  }

  /** Nobody is told what a restart would not know. */
  @Test
  void aResultThatCannotBeNotedIsWaitedWith() throws Exception {
    ended(submit("forward_backward", TrainingTrial.gradient(0)));
    rename("training_results", "away");
    Call update = submit("optim_step", TrainingTrial.STEP);
    Call behind = submit("save_state", "{'name': 'one'}");
    assertFalse(update.await(1500));
    assertFalse(behind.isOver());
    rename("away", "training_results");
    assertEquals(1, ended(update).at("/result/steps").asInt());
    assertEquals("succeeded", ended(behind).path("status").asText());
    assertEquals(1, desk.call(update.row().id()).toJson().at("/result/steps").asInt());
  }

  private void close() throws InterruptedException {
    for (int i = 0; i < 1000 && !desk.status().equals("closed"); i++) {
      desk.closeIfIdle(0);
      Thread.sleep(10);
    }
    assertEquals("closed", desk.status());
  }

  /** The model has seen the call, and goes on. */
  @Test
  void aResultThatCannotBeToldCostsNothingElse() throws Exception {
    ended(submit("forward_backward", TrainingTrial.gradient(0)));
    Supplier<ObjectNode> large =
        () -> {
          throw new OutOfMemoryError("Java heap space");
        };
    Call call = submit("forward", null, new Works.Asked((training, turn) -> large, 1));
    assertEquals("expired", ended(call).path("status").asText());
    assertEquals("result_expired", call.toJson().at("/error/code").asText());
    assertEquals("expired", desk.call(call.row().id()).toJson().path("status").asText());
    assertEquals(1, ended(submit("optim_step", TrainingTrial.STEP)).at("/result/steps").asInt());
  }

  private void limit(long modelBytes) {
    limits =
        new Limits(
            Limits.NONE.fileBytes(),
            Limits.NONE.jobs(),
            Limits.NONE.requestsPerMinute(),
            Limits.NONE.sessions(),
            Limits.NONE.models(),
            modelBytes);
  }

  @Test
  void aQuotaRefusesSavesButKeepsWhatWasTrained() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    submit("optim_step", TrainingTrial.STEP);
    ended(submit("save_state", "{'name': 'one'}"));
    limit(desk.opened(1).stateBytes() * 3 / 2);
    JsonNode replaced = ended(submit("save_state", "{'name': 'one'}"));
    assertEquals("succeeded", replaced.path("status").asText(), replaced::toString);
    JsonNode refused = ended(submit("save_state", "{'name': 'two'}"));
    assertEquals("insufficient_quota", refused.at("/error/code").asText(), refused::toString);
    submit("forward_backward", TrainingTrial.gradient(1));
    ended(submit("optim_step", TrainingTrial.STEP));
    close();
    assertEquals(2, desk.toJson(1).path("steps").asInt());
    assertEquals(2, workshop.latest(desk.session()).orElseThrow().steps());
  }

  /** Also where that is known only once its files are there. */
  @Test
  void anAdapterBeyondTheQuotaLeavesNothing() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    ended(submit("optim_step", TrainingTrial.STEP));
    for (int more = -1; more <= 1; more += 2) {
      limit(desk.opened(1).adapterBytes() + more);
      JsonNode refused = ended(submit("save_adapter", "{}"));
      assertEquals("insufficient_quota", refused.at("/error/code").asText(), refused::toString);
      assertFalse(Files.exists(data.models()) && !left().isEmpty(), () -> left().toString());
    }
    limit(Limits.NONE.modelBytes());
    JsonNode saved = ended(submit("save_adapter", "{}"));
    assertEquals("succeeded", saved.path("status").asText(), saved::toString);
    assertEquals(1, left().size());
  }

  private List<Path> left() {
    try (Stream<Path> folders = Files.list(data.models())) {
      return folders.toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aModelThatCannotBeOpenedSaysSo() throws Exception {
    submit("forward_backward", TrainingTrial.gradient(0));
    submit("optim_step", TrainingTrial.STEP);
    ended(submit("save_state", "{'name': 'one'}"));
    close();
    turns.acquire();
    Call held = numbered(2);
    assertEquals("opening", desk.status());
    assertThrows(ApiException.class, () -> desk.removeState("one"));
    Path folder = scratch.resolve("decoder");
    assertTrue(folder.toFile().renameTo(scratch.resolve("away").toFile()));
    turns.release();
    JsonNode call = ended(submit("sample", "{'prompt': [1], 'max_tokens': 1}"));
    assertEquals("failed", call.path("status").asText());
    assertTrue(scratch.resolve("away").toFile().renameTo(folder.toFile()));
    JsonNode again = ended(submit("sample", "{'prompt': [1], 'max_tokens': 1}"));
    assertEquals("succeeded", again.path("status").asText(), again::toString);
    assertEquals(1, desk.toJson(1).path("steps").asInt());
    numbered(1);
    assertEquals("succeeded", ended(held).path("status").asText());
    desk.removeState("one");
  }

  @Test
  void gradientsStayWithAModelThatCannotBeSaved() throws Exception {
    ended(submit("forward_backward", TrainingTrial.gradient(0)));
    Path inTheWay = data.training().resolve("tsess-a");
    Files.createDirectories(data.training());
    Files.createFile(inTheWay);
    for (int i = 0; i < 20; i++) {
      desk.closeIfIdle(0);
      Thread.sleep(10);
    }
    Files.delete(inTheWay);
    assertEquals("open", desk.status());
    assertEquals(1, ended(submit("optim_step", TrainingTrial.STEP)).at("/result/steps").asInt());
  }

  private boolean isUsed(String model) {
    return data.journal().read(read -> TrainingStore.uses(read, "local", model));
  }

  @Test
  void aVersionKeepsItsModelAndADeletedSessionNoStates() {
    TrainingSession second =
        new TrainingSession("tsess-b", "local", 1, request("ft:x@v2"), 1, 2, 1);
    store.create(second, 2, change -> {});
    assertTrue(isUsed("ft:x@v2"));
    assertTrue(isUsed("ft:x"));
    assertFalse(isUsed("ft:"));
    store.delete("tsess-b");
    assertFalse(isUsed("ft:x"));
    SavedState late = new SavedState("state-b", "tsess-b", null, 1, 0, 0, 0);
    assertThrows(ApiException.class, () -> store.add(late, 1));
  }

  @Test
  void aFailureIsWordedWithoutAJournal() {
    DataFolder gone = DataFolder.open(scratch.resolve("gone"));
    ModelCatalog models = new ModelCatalog(gone.journal(), Map.of(), gone.models());
    Workshop without =
        new Workshop(gone.journal(), store, models, null, gone.training(), gone.models());
    gone.close();
    assertEquals("it failed", without.worded(desk.session(), "it failed"));
  }
}
