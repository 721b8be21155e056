package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.SilentRunListener;
import dev.attune.run.TrainRun;
import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** A server with two tiny bases, and a client of its jobs. */
final class JobsTrial implements AutoCloseable {
  static final ObjectMapper JSON = new ObjectMapper();

  private static final String TEMPLATE =
      "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}{% endfor %}"
          + "{% if add_generation_prompt %}<a>{% endif %}";

  private final HttpClient client = HttpClient.newHttpClient();
  private final Path scratch;
  private AttuneServer server;
  private URI address;

  JobsTrial(Path scratch) {
    this.scratch = scratch;
    makeBases(scratch);
  }

  /** A client of a server elsewhere, whose bases are in the folder. */
  JobsTrial(Path scratch, URI address) {
    this.scratch = scratch;
    this.address = address;
  }

  /** The folders "decoder" and "encoder". */
  static void makeBases(Path scratch) {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(scratch.resolve("decoder"), backend, 32);
      TinyModel.write(scratch.resolve("encoder"), backend);
      Files.writeString(scratch.resolve("decoder/chat_template.jinja"), TEMPLATE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static ServerConfig config(Path scratch) {
    return new ServerConfig()
        .port(0)
        .dataDir(scratch.resolve("data"))
        .baseModel("decoder", scratch.resolve("decoder"))
        .baseModel("encoder", scratch.resolve("encoder"));
  }

  JobsTrial start() {
    return start(config(scratch));
  }

  JobsTrial start(ServerConfig config) {
    server = AttuneServer.start(config);
    return at(server.address());
  }

  URI address() {
    return address;
  }

  /** A client of a server elsewhere. */
  JobsTrial at(URI other) {
    address = other;
    return this;
  }

  Path data() {
    return scratch.resolve("data");
  }

  Path base(String name) {
    return scratch.resolve(name);
  }

  /** Rows of OpenAI's form. */
  static String chats(int rows) {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < rows; i++) {
      lines.append("{\"messages\": [{\"role\": \"user\", \"content\": \"say ");
      lines.append(i);
      lines.append("\"}, {\"role\": \"assistant\", \"content\": \"it is ").append(i % 7);
      lines.append("\"}]}\n");
    }
    return lines.toString();
  }

  /** A job of the decoder on chats that takes so many steps. */
  static ObjectNode job(String file, int steps) {
    ObjectNode body = JSON.createObjectNode();
    body.put("model", "decoder").put("training_file", file);
    ObjectNode attune = body.putObject("attune");
    attune.put("max_steps", steps).put("precision", "fp32").put("lora_r", 4);
    attune.put("save_steps", 20);
    return body;
  }

  record Answer(int status, JsonNode body) {}

  Answer send(String method, String path, String type, byte[] body) {
    try {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(address + path))
              .timeout(Duration.ofSeconds(60))
              .method(
                  method,
                  body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
      if (type != null) {
        request.header("Content-Type", type);
      }
      HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
      boolean isJson = answer.headers().firstValue("Content-Type").orElse("").contains("json");
      return new Answer(
          answer.statusCode(),
          isJson ? JSON.readTree(answer.body()) : JSON.getNodeFactory().textNode(answer.body()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static JsonNode good(Answer answer) {
    assertEquals(200, answer.status(), answer.body()::toString);
    return answer.body();
  }

  JsonNode get(String path) {
    return good(send("GET", path, null, null));
  }

  JsonNode post(String path) {
    return good(send("POST", path, null, null));
  }

  Answer tryCreate(JsonNode body) {
    return send(
        "POST",
        "/fine_tuning/jobs",
        "application/json",
        body.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** Returns the id. */
  String create(JsonNode body) {
    return good(tryCreate(body)).path("id").asText();
  }

  /** Returns the id. */
  String upload(String name, String content) {
    String border = "----border";
    ByteArrayOutputStream form = new ByteArrayOutputStream();
    form.writeBytes(
        ("--"
                + border
                + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\""
                + name
                + "\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                + content
                + "\r\n--"
                + border
                + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune"
                + "\r\n--"
                + border
                + "--\r\n")
            .getBytes(StandardCharsets.UTF_8));
    return good(send(
            "POST", "/files", "multipart/form-data; boundary=" + border, form.toByteArray()))
        .path("id")
        .asText();
  }

  JsonNode job(String id) {
    return get("/fine_tuning/jobs/" + id);
  }

  JsonNode await(String id, Predicate<JsonNode> wanted, String what) {
    long end = System.nanoTime() + Duration.ofSeconds(300).toNanos(); // machines are busy at times
    JsonNode job = job(id);
    while (!wanted.test(job)) {
      JsonNode last = job;
      assertTrue(System.nanoTime() < end, () -> "no " + what + ": " + last + events(id));
      pause(20);
      job = job(id);
    }
    return job;
  }

  JsonNode awaitStatus(String id, String status) {
    return await(
        id,
        job -> {
          boolean isOver =
              List.of("succeeded", "failed", "cancelled").contains(job.path("status").asText());
          assertTrue(
              !isOver || job.path("status").asText().equals(status),
              () -> "not " + status + ": " + job + events(id));
          return job.path("status").asText().equals(status);
        },
        status);
  }

  /** Waits until it is at a step. */
  void awaitStep(String id, int step) {
    await(id, job -> job.path("attune").path("step").asInt() >= step, "step " + step);
  }

  /** Messages, the oldest first. */
  List<String> events(String id) {
    List<String> messages = new ArrayList<>();
    get("/fine_tuning/jobs/" + id + "/events?limit=1000")
        .path("data")
        .forEach(event -> messages.add(0, event.path("message").asText()));
    return messages;
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What the command line would make of a file with the options of {@link #job}. */
  Path trained(String chats, int steps, Map<RunOption, String> more) throws IOException {
    Path file = Files.writeString(scratch.resolve("same.jsonl"), chats);
    Path output = scratch.resolve("same");
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.MODEL, base("decoder").toString())
            .set(RunOption.TASK, "causal-lm")
            .set(RunOption.TRAIN_FILE, file.toString())
            .set(RunOption.OUTPUT_DIR, output.toString())
            .set(RunOption.MAX_STEPS, Integer.toString(steps))
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.LORA_R, "4");
    more.forEach(config::set);
    new TrainRun(config.build(), new SilentRunListener(), () -> false).run();
    return output.resolve("adapter_model.safetensors");
  }

  /** What a job made. */
  Path made(String id) {
    return data().resolve("models").resolve(id).resolve("model/adapter_model.safetensors");
  }

  @Override
  public void close() {
    if (server != null) {
      server.close();
    }
  }
}
