package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import dev.attune.server.jobs.JobsTrial.Answer;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs from a client's side. */
class JobsApiTest {
  @TempDir Path scratch;
  private JobsTrial server;

  @BeforeEach
  void startAServer() {
    server = new JobsTrial(scratch).start();
  }

  @AfterEach
  void endIt() {
    server.close();
  }

  @Test
  void aJobMakesTheBytesThatTheCommandLineMakes() throws IOException {
    String chats = JobsTrial.chats(40);
    String file = server.upload("chats.jsonl", chats);
    ObjectNode body = JobsTrial.job(file, 30).put("suffix", "mine");
    body.putObject("metadata").put("team", "a");
    String id = server.create(body);
    JsonNode job = server.awaitStatus(id, "succeeded");
    assertEquals("fine_tuning.job", job.path("object").asText());
    assertEquals(1, job.at("/hyperparameters/batch_size").asInt()); // of 40 rows
    assertEquals(3, job.at("/method/supervised/hyperparameters/n_epochs").asInt());
    String model = job.path("fine_tuned_model").asText();
    assertTrue(model.matches("ft:decoder:local:mine:[A-Za-z0-9]{8}"), model);
    assertTrue(job.path("finished_at").asLong() >= job.path("created_at").asLong());
    assertTrue(job.path("trained_tokens").asLong() > 30, job::toString);

    Path same = server.trained(chats, 30, Map.of(RunOption.BATCH_SIZE, "1"));
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(server.made(id)));

    List<String> events = server.events(id);
    assertEquals("Created fine-tuning job: " + id, events.get(0));
    assertEquals("The job has successfully completed", events.get(events.size() - 1));
    assertTrue(events.stream().anyMatch(e -> e.startsWith("Step 30/30: training loss=")));
    assertFalse(events.toString().contains(scratch.toString() + "/data/files"), events::toString);

    String results = job.at("/result_files/0").asText();
    String csv =
        new String(
            Base64.getDecoder().decode(server.get("/files/" + results + "/content").asText()),
            StandardCharsets.UTF_8);
    List<String> lines = csv.lines().toList();
    assertEquals(31, lines.size(), csv);
    assertTrue(lines.get(0).startsWith("step,train_loss,train_accuracy,valid_loss"), lines.get(0));
    assertTrue(lines.get(30).startsWith("30,"), lines.get(30));

    JsonNode checkpoint = server.get("/fine_tuning/jobs/" + id + "/checkpoints").at("/data/0");
    assertEquals(20, checkpoint.path("step_number").asInt());
    assertEquals(model + ":ckpt-step-20", checkpoint.path("fine_tuned_model_checkpoint").asText());
    assertTrue(checkpoint.at("/metrics/train_loss").asDouble() > 0, checkpoint::toString);
    List<String> listed = server.get("/models").findValuesAsText("id");
    assertTrue(listed.contains(model), listed::toString);
    assertFalse(listed.contains(model + ":ckpt-step-20"), listed::toString);
    listed = server.get("/models?checkpoints=true").findValuesAsText("id");
    assertTrue(listed.contains(model + ":ckpt-step-20"), listed::toString);
  }

  @Test
  void jobsAreListedByPagesAndMetadata() {
    String file = server.upload("chats.jsonl", JobsTrial.chats(10));
    ObjectNode body = JobsTrial.job(file, 1);
    String first = server.create(body);
    body.putObject("metadata").put("team", "b");
    String second = server.create(body);
    String third = server.create(body);
    JsonNode page = server.get("/fine_tuning/jobs?limit=2");
    assertEquals(third, page.at("/data/0/id").asText());
    assertEquals(second, page.at("/data/1/id").asText());
    assertTrue(page.path("has_more").asBoolean());
    JsonNode rest = server.get("/fine_tuning/jobs?limit=2&after=" + second);
    assertEquals(first, rest.at("/data/0/id").asText());
    assertFalse(rest.path("has_more").asBoolean());
    JsonNode ofTeam = server.get("/fine_tuning/jobs?metadata%5Bteam%5D=b");
    assertEquals(2, ofTeam.path("data").size());
    server.awaitStatus(third, "succeeded");
  }

  @Test
  void aClassifierIsTunedAndTunedOn() {
    String train = server.upload("train.csv", csv("train.csv", 120, 1));
    String validation = server.upload("validation.csv", csv("validation.csv", 20, 2));
    ObjectNode body = JobsTrial.JSON.createObjectNode();
    body.put("model", "encoder").put("training_file", train).put("validation_file", validation);
    body.putObject("attune").put("task", "classification").put("precision", "fp32");
    body.putObject("hyperparameters").put("n_epochs", 2).put("batch_size", 16);
    JsonNode job = server.awaitStatus(server.create(body), "succeeded");
    List<String> events = server.events(job.path("id").asText());
    assertTrue(events.stream().anyMatch(e -> e.contains("validation accuracy=")), events::toString);
    // Once more, from where it ended.
    body.put("model", job.path("fine_tuned_model").asText());
    JsonNode more = server.awaitStatus(server.create(body), "succeeded");
    assertTrue(
        more.path("fine_tuned_model").asText().startsWith("ft:encoder:local:"), more::toString);
  }

  /** The tests run in a folder that has a file of that name. */
  @Test
  void aNameOfLabelsIsNoFileOfTheServer() {
    String train = server.upload("train.csv", csv("train.csv", 20, 1));
    ObjectNode body = JobsTrial.JSON.createObjectNode();
    body.put("model", "encoder").put("training_file", train);
    ObjectNode attune = body.putObject("attune").put("task", "classification");
    attune.putArray("label_names").add("pom.xml");
    JsonNode job = server.awaitStatus(server.create(body), "failed");
    assertFalse(job.toString().contains("<project"), job::toString);
    assertTrue(job.at("/error/message").asText().contains("pom.xml"), job::toString);
  }

  /** Java's patterns may take for ever, and one thread looks at the files of all jobs. */
  @Test
  void patternsAreNotTaken() {
    String train = server.upload("train.csv", csv("train.csv", 20, 1));
    for (String option : List.of("lora_targets", "lora_rank_pattern")) {
      ObjectNode body = JobsTrial.JSON.createObjectNode();
      body.put("model", "encoder").put("training_file", train);
      body.putObject("attune").put("task", "classification").put(option, "(.*)(.*)(.*)!=4");
      Answer answer =
          server.send(
              "POST",
              "/fine_tuning/jobs",
              "application/json",
              body.toString().getBytes(StandardCharsets.UTF_8));
      assertEquals(400, answer.status(), answer.body()::toString);
      assertTrue(answer.body().toString().contains("attune." + option), answer.body()::toString);
    }
  }

  private String csv(String name, int rows, long seed) {
    try {
      return Files.readString(TinyModel.writeData(scratch.resolve(name), rows, seed));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void wrongRowsComeBackWithTheirNumbers() {
    StringBuilder rows = new StringBuilder(JobsTrial.chats(4));
    rows.append("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n");
    rows.append("{\"messages\": [{\"role\": \"bot\", \"content\": \"a\"}]}\n");
    rows.append("{\"messages\": \"text\"}\n");
    rows.append(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
            + " \"content\": \"b\", \"weight\": 3}]}\n");
    for (int i = 0; i < 20; i++) {
      rows.append("{\"messages\": []}\n");
    }
    String file = server.upload("chats.jsonl", rows.toString());
    JsonNode job = server.awaitStatus(server.create(JobsTrial.job(file, 5)), "failed");
    String message = job.at("/error/message").asText();
    assertEquals("invalid_training_file", job.at("/error/code").asText());
    assertEquals("training_file", job.at("/error/param").asText());
    assertTrue(message.startsWith("24 rows cannot be learned"), message);
    for (String part :
        List.of(
            "chats.jsonl, row 6, turn 1 has the unknown role \"bot\"",
            "chats.jsonl, row 7",
            "row 8, turn 2: the weight must be 0 or 1, not 3")) {
      assertTrue(message.contains(part), message);
    }
    assertEquals(11, message.lines().count(), message);
    assertFalse(message.contains(scratch.toString()), message);
  }

  @Test
  void aTurnOfWeightZeroIsNotLearned() {
    String line =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
            + " \"content\": \"b\"%s}, {\"role\": \"user\", \"content\": \"a\"}, {\"role\":"
            + " \"assistant\", \"content\": \"c\"}]}\n";
    String all = server.upload("all.jsonl", line.formatted("").repeat(8));
    String some = server.upload("some.jsonl", line.formatted(", \"weight\": 0").repeat(8));
    JsonNode learnsAll = server.awaitStatus(server.create(JobsTrial.job(all, 2)), "succeeded");
    JsonNode learnsSome = server.awaitStatus(server.create(JobsTrial.job(some, 2)), "succeeded");
    assertFalse(loss(learnsAll).equals(loss(learnsSome)), "the weight makes no difference");
  }

  @Test
  void preferencesAreLearned() {
    String row =
        "{\"input\": {\"messages\": [{\"role\": \"user\", \"content\": \"say %d\"}]},"
            + " \"preferred_output\": [{\"role\": \"assistant\", \"content\": \"yes\"}],"
            + " \"non_preferred_output\": [{\"role\": \"assistant\", \"content\": \"no\"}]}\n";
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      rows.append(row.formatted(i));
    }
    ObjectNode body = JobsTrial.job(server.upload("pairs.jsonl", rows.toString()), 6);
    body.putObject("method")
        .put("type", "dpo")
        .putObject("dpo")
        .putObject("hyperparameters")
        .put("beta", 0.2);
    JsonNode job = server.awaitStatus(server.create(body), "succeeded");
    assertEquals(0.2, job.at("/method/dpo/hyperparameters/beta").asDouble());
  }

  private String loss(JsonNode job) {
    return server.events(job.path("id").asText()).stream()
        .filter(e -> e.startsWith("Step 1/2"))
        .findFirst()
        .orElseThrow();
  }

  private void refused(ObjectNode body, int status, String param, String words) {
    Answer answer = server.tryCreate(body);
    assertEquals(status, answer.status(), answer.body()::toString);
    assertEquals(param, answer.body().at("/error/param").asText(null), answer.body()::toString);
    String message = answer.body().at("/error/message").asText();
    assertTrue(message.contains(words), message);
    assertFalse(message.contains("‹") || message.contains("--"), message);
  }

  @Test
  void whatIsNotSupportedIsRefusedByName() {
    String file = server.upload("chats.jsonl", JobsTrial.chats(10));
    ObjectNode body = JobsTrial.job(file, 5);
    refused(body.deepCopy().put("model", "other"), 404, "model", "other");
    refused(body.deepCopy().put("training_file", "file-x"), 400, "training_file", "file-x");
    refused(
        body.deepCopy().put("validation_files", "x"), 400, "validation_files", "validation_files");
    refused(body.deepCopy().put("suffix", "a:b"), 400, "suffix", "letters");
    ObjectNode wandb = body.deepCopy();
    wandb.putArray("integrations").addObject().put("type", "wandb").putObject("wandb");
    refused(wandb, 400, "integrations", "wandb");
    ObjectNode reinforcement = body.deepCopy();
    reinforcement.putObject("method").put("type", "reinforcement");
    refused(reinforcement, 400, "method.type", "reinforcement");
    ObjectNode twice = body.deepCopy();
    twice.putObject("hyperparameters").put("n_epochs", 1);
    twice
        .putObject("method")
        .put("type", "supervised")
        .putObject("supervised")
        .putObject("hyperparameters")
        .put("n_epochs", 2);
    refused(twice, 400, "hyperparameters", "twice");
    for (String[] option :
        new String[][] {
          {"output_dir", "the server says that"},
          {"resume", "by itself"},
          {"lora_rr", "did you mean attune.lora_r?"},
          {"train_file", "training_file"},
        }) {
      ObjectNode other = body.deepCopy();
      ((ObjectNode) other.get("attune")).put(option[0], "x");
      refused(other, 400, "attune." + option[0], option[1]);
    }
    ObjectNode wrong = body.deepCopy();
    ((ObjectNode) wrong.get("attune")).put("lr_scheduler", "zigzag");
    refused(wrong, 400, null, "zigzag");
    ObjectNode names = body.deepCopy();
    ((ObjectNode) names.get("attune")).putArray("label_names").add("/etc/passwd");
    refused(names, 400, "attune.label_names", "a slash");
    names = body.deepCopy(); // whether it is there or not
    ((ObjectNode) names.get("attune")).putArray("label_names").add("/no/such/file");
    refused(names, 400, "attune.label_names", "a slash");
    ObjectNode epochs = body.deepCopy();
    epochs.putObject("hyperparameters").put("n_epochs", -1);
    refused(epochs, 400, "hyperparameters.n_epochs", "-1");
  }

  @Test
  void aFileThatAJobNeedsIsNotDeleted() {
    String file = server.upload("chats.jsonl", JobsTrial.chats(30));
    String id = server.create(JobsTrial.job(file, 3000));
    Answer answer = server.send("DELETE", "/files/" + file, null, null);
    assertEquals(409, answer.status(), answer.body()::toString);
    server.post("/fine_tuning/jobs/" + id + "/cancel");
    assertEquals(200, server.send("DELETE", "/files/" + file, null, null).status());
  }

  @Test
  void eventsAreStreamedToTheEnd() {
    String file = server.upload("chats.jsonl", JobsTrial.chats(10));
    String id = server.create(JobsTrial.job(file, 10));
    String stream =
        server
            .send("GET", "/fine_tuning/jobs/" + id + "/events?stream=true", null, null)
            .body()
            .asText();
    assertTrue(stream.startsWith("data: {\"object\":\"fine_tuning.job.event\""), stream);
    assertTrue(stream.contains("The job has successfully completed"), stream);
    assertTrue(stream.endsWith("data: [DONE]\n\n"), stream);
  }
}
