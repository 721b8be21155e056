package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.jobs.JobsTrial.Answer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Adapters answer with what they were made on, or not at all. */
@Timeout(240)
class ServedBaseTest {
  private static final String WEIGHTS = "model.safetensors";

  @TempDir Path scratch;
  private JobsTrial server;
  private String file;

  @BeforeEach
  void startTheServer() {
    server = new JobsTrial(scratch);
    server.start();
    file = server.upload("chats.jsonl", JobsTrial.chats(40));
  }

  @AfterEach
  void endTheServer() {
    server.close();
  }

  private String made(ObjectNode job) {
    return server.awaitStatus(server.create(job), "succeeded").path("fine_tuned_model").asText();
  }

  private Answer ask(String model) {
    String body =
        "{\"model\": \""
            + model
            + "\", \"prompt\": \"say\", \"max_tokens\": 12,"
            + " \"temperature\": 0}";
    return server.send(
        "POST", "/completions", "application/json", body.getBytes(StandardCharsets.UTF_8));
  }

  private String text(String model) {
    Answer answer = ask(model);
    assertEquals(200, answer.status(), answer.body()::toString);
    return answer.body().at("/choices/0/text").asText();
  }

  private void put(byte[] weights) throws IOException {
    Path written = Files.write(scratch.resolve("written"), weights);
    Path place = server.base("decoder").resolve(WEIGHTS);
    Files.move(written, place, StandardCopyOption.REPLACE_EXISTING);
    JobsTrial.pause(1_000); // files are looked at twice a second at the most
  }

  /** Of a quarter of the weights another sign. */
  private static byte[] otherwise(byte[] weights) {
    byte[] other = weights.clone();
    for (int i = other.length - 4 * (other.length / 16); i < other.length; i += 4) {
      other[i + 3] ^= (byte) 0x80;
    }
    return other;
  }

  @Test
  void anAdapterOfAnotherBaseIsRefusedByName() throws Exception {
    String model = made(JobsTrial.job(file, 2));
    String before = text(model);
    String ofBase = text("decoder");
    Path weights = server.base("decoder").resolve(WEIGHTS);
    byte[] was = Files.readAllBytes(weights);
    put(otherwise(was));
    Answer refused = ask(model);
    assertEquals(409, refused.status(), refused.body()::toString);
    assertEquals("base_changed", refused.body().at("/error/code").asText());
    String message = refused.body().at("/error/message").asText();
    assertTrue(message.startsWith("The files of 'decoder' are not those that '" + model), message);
    ObjectNode further = JobsTrial.job(file, 2);
    further.put("model", model);
    ((ObjectNode) further.get("attune")).remove("lora_r");
    assertEquals(409, server.tryCreate(further).status());
    JsonNode session =
        server
            .send(
                "POST",
                "/training/sessions",
                "application/json",
                ("{\"model\": \"" + model + "\"}").getBytes(StandardCharsets.UTF_8))
            .body();
    assertEquals("base_changed", session.at("/error/code").asText(), session::toString);

    assertNotEquals(ofBase, text("decoder"), "the former base answers");
    String latter = made(JobsTrial.job(file, 2)); // is not opened beside the former one
    String now = text(latter);
    server.close();
    server.start();
    assertEquals(now, text(latter));
    assertEquals(409, ask(model).status());

    put(was);
    assertEquals(before, text(model));
    assertEquals(ofBase, text("decoder"));
    assertEquals(409, ask(latter).status());
  }

  /** It was trained on a whole model, and not on that one's base. */
  @Test
  void anAdapterOnATunedModelAnswersWithThat() throws Exception {
    ObjectNode job = JobsTrial.job(file, 5);
    ((ObjectNode) job.get("attune")).put("lora_r", 0).put("learning_rate", 0.1);
    String whole = made(job);
    String text = text(whole);
    assertNotEquals(text("decoder"), text);
    ObjectNode further = JobsTrial.job(file, 1);
    further.put("model", whole);
    ((ObjectNode) further.get("attune")).put("learning_rate", 1e-9); // says what its base says
    String adapter = made(further);
    assertTrue(adapter.startsWith("ft:decoder:local::"), adapter);
    assertEquals(text, text(adapter));
    Answer refused = server.send("DELETE", "/models/" + whole, null, null);
    assertEquals(409, refused.status(), refused.body()::toString);
    assertEquals(200, server.send("DELETE", "/models/" + adapter, null, null).status());
    assertEquals(200, server.send("DELETE", "/models/" + whole, null, null).status());
  }
}
