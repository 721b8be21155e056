package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.ServerConfig;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * From a file to a model that learns while it serves, over HTTP: an adapter that a job has made,
 * and what the job had learned from is what updates repeat.
 */
@Timeout(300)
class ServedLearningTest {
  @TempDir private Path scratch;
  private Client client;

  private static String lines(List<LabelledText> rows) {
    StringBuilder lines = new StringBuilder();
    for (LabelledText row : rows) {
      ObjectNode json = FeedbackServer.JSON.createObjectNode();
      lines.append(json.put("text", row.text()).put("label", row.label())).append('\n');
    }
    return lines.toString();
  }

  private JsonNode good(Client.Answer answer) {
    assertEquals(200, answer.status(), answer::text);
    return answer.json();
  }

  private String tuned(boolean isAdapter) throws Exception {
    ObjectNode job = FeedbackServer.JSON.createObjectNode();
    job.put("model", "encoder");
    job.put(
        "training_file",
        good(client.upload("train.jsonl", lines(TinyDrift.old(256, 1)))).get("id").asText());
    job.put(
        "validation_file",
        good(client.upload("held_out.jsonl", lines(TinyDrift.old(100, 3)))).get("id").asText());
    job.putObject("hyperparameters").put("n_epochs", 6).put("batch_size", 16);
    ObjectNode options = job.putObject("attune");
    options.put("task", "classification").put("precision", "fp32").put("learning_rate", 3e-3);
    if (!isAdapter) {
      options.put("lora_r", 0);
    }
    String id = good(client.post("/v1/fine_tuning/jobs", job.toString())).get("id").asText();
    while (true) {
      JsonNode made = good(client.get("/v1/fine_tuning/jobs/" + id));
      String status = made.get("status").asText();
      assertFalse(status.equals("failed"), made::toString);
      if (status.equals("succeeded")) {
        return made.get("fine_tuned_model").asText();
      }
      Thread.sleep(50);
    }
  }

  private double accuracy(String model, List<LabelledText> rows) throws Exception {
    ObjectNode body = FeedbackServer.JSON.createObjectNode().put("model", model);
    ArrayNode input = body.putArray("input");
    rows.forEach(row -> input.add(row.text()));
    JsonNode results = good(client.post("/v1/classifications", body.toString())).get("results");
    int right = 0;
    for (int i = 0; i < rows.size(); i++) {
      right += results.get(i).get("label").asText().equals(rows.get(i).label()) ? 1 : 0;
    }
    return (double) right / rows.size();
  }

  private boolean hasLines() throws IOException {
    try (Stream<Path> files = Files.list(scratch.resolve("data/models"))) {
      return files.anyMatch(file -> file.getFileName().toString().startsWith("line-"));
    }
  }

  private boolean hasMade(String file) throws IOException {
    try (Stream<Path> files = Files.walk(scratch.resolve("data/models"))) {
      return files.anyMatch(found -> found.endsWith(Path.of("v2", file)));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aModelOfAJobLearnsAndGoesWithItsVersions(boolean isAdapter) throws Exception {
    Path encoder;
    try (CpuBackend backend = new CpuBackend(1)) {
      encoder = TinyModel.write(scratch.resolve("encoder"), backend);
    }
    ServerConfig config =
        new ServerConfig().port(0).dataDir(scratch.resolve("data")).baseModel("encoder", encoder);
    try (AttuneServer server = AttuneServer.start(config)) {
      client = new Client(server.address(), null);
      String model = tuned(isAdapter);
      String path = "/v1/models/" + model;
      List<LabelledText> newTest = TinyDrift.recent(100, 9);
      List<LabelledText> oldTest = TinyDrift.old(100, 8);
      double before = accuracy(model, newTest);
      double oldBefore = accuracy(model, oldTest);
      JsonNode learner =
          good(
              client.post(
                  path + "/learner",
                  "{\"min_corrections\": 40, \"learning_rate\": 3e-3, \"epochs\": 8,"
                      + " \"replay_share\": 0.75}"));
      assertEquals(100, learner.at("/old_rows/held_out").asInt(), learner::toString);
      assertEquals(256, learner.at("/old_rows/replay").asInt(), 5);
      good(client.post(path + "/feedback", FeedbackServer.corrections(TinyDrift.recent(40, 2))));
      JsonNode state = learner;
      while (state.get("live").asText().endsWith("@v1")) {
        Thread.sleep(50);
        state = good(client.get(path + "/learner"));
        assertTrue(state.get("trouble").isNull(), state::toString);
      }
      double after = accuracy(model, newTest);
      // Adapters of a base of 32 random columns learn too little to tell it by a hundred texts.
      assertTrue(isAdapter || after > before + 0.1, before + " became " + after);
      assertTrue(hasMade(isAdapter ? "adapter_model.safetensors" : "model.safetensors"));
      double oldAfter = accuracy(model, oldTest);
      assertTrue(oldAfter >= oldBefore - 0.01, oldBefore + " became " + oldAfter);
      assertEquals(before, accuracy(model + "@v1", newTest));
      assertTrue(hasLines());
      good(client.delete(path));
      assertEquals(404, client.get(path + "/learner").status());
      assertEquals(404, client.get(path + "/feedback").status());
      for (int i = 0; i < 200 && hasLines(); i++) {
        Thread.sleep(50);
      }
      assertFalse(hasLines(), "versions stay on the disk");
    }
  }
}
