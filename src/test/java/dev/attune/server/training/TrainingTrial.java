package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.AdamSettings;
import dev.attune.AdapterTrainer;
import dev.attune.LossFunction;
import dev.attune.Precision;
import dev.attune.TokenExample;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.ServerConfig;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** A server with a tiny base, a client of its training sessions, and the same calls in process. */
final class TrainingTrial implements AutoCloseable {
  static final ObjectMapper JSON = new ObjectMapper();
  static final String PATH = "training/sessions";
  private static final AdamSettings ADAM = AdamSettings.of(1e-2).withMaxGradientNorm(1);

  /** That of {@link #ADAM}. */
  static final String STEP = "{'learning_rate': 0.01, 'max_grad_norm': 1}";

  private final Path scratch;
  private AttuneServer server;
  private Client client;

  TrainingTrial(Path scratch) {
    this.scratch = scratch;
  }

  /** The folder "decoder". */
  static void makeBase(Path scratch) {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(scratch.resolve("decoder"), backend, 32);
    }
  }

  static ServerConfig config(Path scratch) {
    return new ServerConfig()
        .port(0)
        .dataDir(scratch.resolve("data"))
        .baseModel("decoder", scratch.resolve("decoder"));
  }

  TrainingTrial start() {
    return start(config(scratch));
  }

  TrainingTrial start(ServerConfig config) {
    server = AttuneServer.start(config);
    return at(new Client(server.address(), null));
  }

  /** A client of a server elsewhere, or with a key. */
  TrainingTrial at(Client other) {
    client = other;
    return this;
  }

  AttuneServer server() {
    return server;
  }

  Client client() {
    return client;
  }

  Path data() {
    return scratch.resolve("data");
  }

  static JsonNode good(Answer answer) {
    assertTrue(answer.status() < 300, answer::text);
    return answer.json();
  }

  JsonNode get(String path) throws IOException, InterruptedException {
    return good(client.get(PATH + path));
  }

  /** Posts JSON with single quotes. */
  JsonNode post(String path, String json) throws IOException, InterruptedException {
    return good(client.post(PATH + path, json));
  }

  /** Returns the path of a new session. */
  String begin(String more) throws IOException, InterruptedException {
    String body =
        "{'model': 'decoder', 'lora': {'rank': 4, 'dropout': 0.1}, 'precision': 'fp32'"
            + more
            + "}";
    return "/" + post("", body).path("id").asText();
  }

  /** Does a call, waits for its end, and returns its result. */
  JsonNode done(String session, String kind, String json) throws Exception {
    return succeeded(post(session + "/" + kind + "?wait=true", json));
  }

  static JsonNode succeeded(JsonNode call) {
    assertEquals("succeeded", call.path("status").asText(), call::toString);
    return call.path("result");
  }

  /** Waits for the end of a call. */
  JsonNode ended(String session, JsonNode call) throws Exception {
    return get(session + "/requests/" + call.path("id").asText() + "?wait_seconds=60");
  }

  private static int[] bytes(String text) {
    return text.chars().toArray();
  }

  /** Examples of a step. */
  static List<TokenExample> batch(int step) {
    List<TokenExample> batch = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      char c = (char) ('a' + (4 * step + i) % 7);
      int[] answer = Arrays.copyOf(bytes(" " + c + c), 4);
      answer[3] = ByteTokenizer.END;
      batch.add(TokenExample.completion(bytes("say " + c + ":"), answer, 0.1f));
    }
    return batch;
  }

  /** The body of forward_backward of a step. */
  static String gradient(int step) {
    return gradient(step, null);
  }

  static String gradient(int step, Integer sequence) {
    ObjectNode body = JSON.createObjectNode();
    if (sequence != null) {
      body.put("sequence", sequence);
    }
    body.putObject("loss").put("name", "cross_entropy");
    ArrayNode examples = body.putArray("examples");
    for (TokenExample example : batch(step)) {
      ObjectNode json = examples.addObject();
      ArrayNode tokens = json.putArray("tokens");
      Arrays.stream(example.tokens()).forEach(tokens::add);
      ArrayNode targets = json.putArray("targets");
      Arrays.stream(example.targets()).forEach(targets::add);
      ArrayNode weights = json.putArray("weights");
      for (float weight : example.weights()) {
        weights.add(weight);
      }
    }
    return body.toString();
  }

  /** Trains steps from one to another, without waiting. */
  void train(String session, int from, int to) throws Exception {
    for (int step = from; step < to; step++) {
      post(session + "/forward_backward", gradient(step));
      post(session + "/optim_step", STEP);
    }
  }

  /** The weights of a session's adapter after all that was asked for. */
  byte[] saved(String session) throws Exception {
    String model = done(session, "save_adapter", "{}").path("model").asText();
    assertTrue(model.matches("ft:decoder:[a-z]+::[A-Za-z0-9]{8}"), model);
    String id = model.substring(model.length() - 8);
    try (Stream<Path> folders = Files.list(data().resolve("models"))) {
      Path folder =
          folders
              .filter(one -> one.getFileName().toString().startsWith("adapter-" + id))
              .findFirst()
              .orElseThrow();
      return Files.readAllBytes(folder.resolve("adapter_model.safetensors"));
    }
  }

  /** The weights that the same steps come to in this process. */
  static byte[] same(Path scratch, int steps) throws IOException {
    Path folder = scratch.resolve("same-" + steps);
    try (AdapterTrainer trainer =
        AdapterTrainer.open(
            scratch.resolve("decoder"),
            o -> o.rank(4).loraDropout(0.1).precision(Precision.FP32))) {
      for (int step = 0; step < steps; step++) {
        trainer.forwardBackward(batch(step), LossFunction.crossEntropy());
        trainer.optimStep(ADAM);
      }
      trainer.saveAdapter(folder).join();
    }
    return Files.readAllBytes(folder.resolve("adapter_model.safetensors"));
  }

  /** Waits until a session has a status. */
  JsonNode awaitStatus(String session, String status) throws Exception {
    long end = System.nanoTime() + 60_000_000_000L;
    // By the list, which is no use of the session: it would not become idle.
    while (true) {
      String now = "";
      JsonNode found = null;
      for (JsonNode one : get("").path("data")) {
        if (session.equals("/" + one.path("id").asText())) {
          found = one;
          now = one.path("status").asText();
        }
      }
      if (now.equals(status)) {
        return found;
      }
      assertTrue(System.nanoTime() < end, "it is " + now + ", not " + status);
      Thread.sleep(20);
    }
  }

  @Override
  public void close() {
    if (server != null) {
      server.close();
    }
  }
}
