package dev.attune.server.inference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.Classifier;
import dev.attune.Embedder;
import dev.attune.Generator;
import dev.attune.Precision;
import dev.attune.Prediction;
import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Chat, completions, embeddings and classifications of a server. */
class InferenceApiTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  @TempDir static Path scratch;
  private static Path decoder;
  private static Path classifier;
  private static AttuneServer server;

  @BeforeAll
  static void start() {
    decoder = ServedModels.decoder(scratch.resolve("decoder"));
    classifier = ServedModels.classifier(scratch);
    server =
        AttuneServer.start(
            new ServerConfig()
                .port(0)
                .dataDir(scratch.resolve("data"))
                .baseModel("tiny", decoder)
                .baseModel("mood", classifier)
                .baseModel("reader", scratch.resolve("encoder"))
                .inference(o -> o.precision("fp32").threads(2).cacheMemory(1 << 20)));
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static HttpResponse<String> send(String path, String body) {
    try {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(server.address() + path))
              .header("Content-Type", "application/json");
      return CLIENT.send(
          body == null
              ? request.GET().build()
              : request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
          HttpResponse.BodyHandlers.ofString());
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (IOException e) {
      throw new AssertionError(text, e);
    }
  }

  /** The answer, which must be one. */
  private static JsonNode post(String path, String body) {
    HttpResponse<String> response = send(path, body.replace('\'', '"'));
    assertEquals(200, response.statusCode(), response.body());
    return json(response.body());
  }

  private static JsonNode refusal(int status, String path, String body) {
    HttpResponse<String> response = send(path, body.replace('\'', '"'));
    assertEquals(status, response.statusCode(), response.body());
    return json(response.body()).get("error");
  }

  /** The events of a stream, which must end as one. */
  private static List<JsonNode> stream(String path, String body) {
    HttpResponse<String> response = send(path, body.replace('\'', '"'));
    assertEquals(200, response.statusCode(), response.body());
    List<JsonNode> events = new ArrayList<>();
    String[] lines = response.body().split("\n\n");
    assertEquals("data: [DONE]", lines[lines.length - 1]);
    for (int i = 0; i < lines.length - 1; i++) {
      events.add(json(lines[i].substring("data: ".length())));
    }
    return events;
  }

  private static Generator generator() {
    return Generator.open(decoder, o -> o.precision(Precision.FP32));
  }

  @Test
  void completionsAreWhatTheCommandLineWrites() {
    String expected;
    String sampled;
    try (Generator generator = generator()) {
      expected = generator.generate("once", o -> o.maxNewTokens(12)).text();
      sampled = generator.generate("once", o -> o.maxNewTokens(12).temperature(0.8).seed(7)).text();
    }
    JsonNode greedy =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': 'once', 'max_tokens': 12, 'temperature': 0}");
    assertEquals(expected, greedy.at("/choices/0/text").asText());
    assertEquals("length", greedy.at("/choices/0/finish_reason").asText());
    assertEquals("text_completion", greedy.get("object").asText());
    assertEquals(4, greedy.at("/usage/prompt_tokens").asInt());
    assertEquals(12, greedy.at("/usage/completion_tokens").asInt());
    assertEquals(16, greedy.at("/usage/total_tokens").asInt());
    JsonNode drawn =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': 'once', 'max_tokens': 12, 'temperature': 0.8,"
                + " 'seed': 7}");
    assertEquals(sampled, drawn.at("/choices/0/text").asText());
    JsonNode tokens =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': [111, 110, 99, 101], 'max_tokens': 12, 'temperature': 0}");
    assertEquals(expected, tokens.at("/choices/0/text").asText());
  }

  @Test
  void severalPromptsHaveSeveralChoices() {
    JsonNode answer =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': ['one', 'other'], 'max_tokens': 3, 'n': 2, 'seed': 1}");
    assertEquals(4, answer.get("choices").size());
    for (int i = 0; i < 4; i++) {
      assertEquals(i, answer.at("/choices/" + i + "/index").asInt());
    }
    assertEquals(8, answer.at("/usage/prompt_tokens").asInt());
    assertEquals(12, answer.at("/usage/completion_tokens").asInt());
  }

  @Test
  void chatFollowsTheTemplate() {
    String expected;
    try (Generator generator = generator()) {
      expected = generator.generate("s:be\nu:hello\na:", o -> o.maxNewTokens(9)).text();
    }
    String messages =
        "'messages': [{'role': 'developer', 'content': 'be'},"
            + "{'role': 'user', 'content': [{'type': 'text', 'text': 'hel'},"
            + "{'type': 'text', 'text': 'lo'}]}]";
    JsonNode answer =
        post(
            "/chat/completions",
            "{'model': 'tiny', 'temperature': 0, 'max_completion_tokens': 9, " + messages + "}");
    assertEquals("chat.completion", answer.get("object").asText());
    assertEquals("assistant", answer.at("/choices/0/message/role").asText());
    assertEquals(expected, answer.at("/choices/0/message/content").asText());
    List<JsonNode> events =
        stream(
            "/chat/completions",
            "{'model': 'tiny', 'temperature': 0, 'max_tokens': 9, 'stream': true,"
                + "'stream_options': {'include_usage': true}, "
                + messages
                + "}");
    StringBuilder text = new StringBuilder();
    for (JsonNode event : events.subList(0, events.size() - 1)) {
      assertEquals("chat.completion.chunk", event.get("object").asText());
      text.append(event.at("/choices/0/delta/content").asText(""));
      assertTrue(event.get("usage").isNull());
    }
    assertEquals(expected, text.toString());
    assertEquals("length", events.get(events.size() - 2).at("/choices/0/finish_reason").asText());
    JsonNode last = events.get(events.size() - 1);
    assertEquals(0, last.get("choices").size());
    assertEquals(9, last.at("/usage/completion_tokens").asInt());
  }

  @Test
  void stopStringsEndTexts() {
    JsonNode free =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': 'once', 'max_tokens': 12, 'temperature': 0,"
                + "'logit_bias': {'120': 100, '121': 99}, 'presence_penalty': 2}");
    assertEquals("xyxxxxxxxxxx", free.at("/choices/0/text").asText());
    JsonNode stopped =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': 'once', 'max_tokens': 12, 'temperature': 0,"
                + "'logit_bias': {'120': 100, '121': 99}, 'presence_penalty': 2, 'stop': 'yx'}");
    assertEquals("x", stopped.at("/choices/0/text").asText());
    assertEquals("stop", stopped.at("/choices/0/finish_reason").asText());
  }

  @Test
  void logprobsComeWithTokens() {
    String request =
        "'model': 'tiny', 'max_tokens': 5, 'temperature': 0, 'logprobs': true,"
            + " 'top_logprobs': 2, 'messages': [{'role': 'user', 'content': 'hello'}]";
    JsonNode content =
        post("/chat/completions", "{" + request + "}").at("/choices/0/logprobs/content");
    assertEquals(5, content.size());
    for (JsonNode token : content) {
      assertEquals(2, token.get("top_logprobs").size());
      assertEquals(token.get("logprob"), token.at("/top_logprobs/0/logprob"));
      assertTrue(token.get("logprob").asDouble() < 0);
    }
    List<JsonNode> streamed = new ArrayList<>();
    for (JsonNode event : stream("/chat/completions", "{'stream': true, " + request + "}")) {
      event.at("/choices/0/logprobs/content").forEach(streamed::add);
    }
    assertEquals(json(content.toString()), JSON.valueToTree(streamed));
    JsonNode old =
        post(
            "/completions",
            "{'model': 'tiny', 'prompt': 'once', 'max_tokens': 4, 'temperature': 0, 'logprobs':"
                + " 1}");
    assertEquals(4, old.at("/choices/0/logprobs/token_logprobs").size());
    assertEquals(4, old.at("/choices/0/logprobs/text_offset").size());
    assertEquals(0, old.at("/choices/0/logprobs/text_offset/0").asInt());
  }

  /** Many at a time, and none of them hears of the others. */
  @Test
  void concurrentAnswersAreThoseOfLoneRequests() {
    List<String> bodies = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      bodies.add(
          String.format(
              "{'model': 'tiny', 'prompt': '%s', 'max_tokens': %d, 'seed': %d, 'stop': 'q'}",
              "abcdefghijklmnopqrstuvwxyz".substring(i), 1 + i, i));
    }
    List<String> alone =
        bodies.stream()
            .map(body -> post("/completions", body).at("/choices/0/text").asText())
            .toList();
    List<CompletableFuture<String>> together =
        bodies.stream()
            .map(
                body ->
                    CompletableFuture.supplyAsync(
                        () -> post("/completions", body).at("/choices/0/text").asText(),
                        task -> new Thread(task).start()))
            .toList();
    assertEquals(alone, together.stream().map(CompletableFuture::join).toList());
  }

  @Test
  void embeddingsAreThoseOfTheLibrary() {
    float[] expected;
    try (Embedder embedder =
        Embedder.open(scratch.resolve("encoder"), o -> o.precision(Precision.FP32))) {
      expected = embedder.embed("the phone is very good");
    }
    JsonNode answer =
        post(
            "/embeddings",
            "{'model': 'reader', 'input': ['the phone is very good', 'a sad book']}");
    assertEquals(2, answer.get("data").size());
    float[] floats = new float[answer.at("/data/0/embedding").size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) answer.at("/data/0/embedding/" + i).asDouble();
    }
    assertEquals(expected.length, floats.length);
    assertArrayEquals(expected, floats, 1e-5f);
    JsonNode coded =
        post(
            "/embeddings",
            "{'model': 'reader', 'input': 'the phone is very good', 'encoding_format': 'base64'}");
    byte[] bytes = Base64.getDecoder().decode(coded.at("/data/0/embedding").asText());
    float[] decoded = new float[bytes.length / 4];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(decoded);
    assertArrayEquals(floats, decoded, "alone, and with another text");
    JsonNode cut =
        post(
            "/embeddings",
            "{'model': 'reader', 'input': 'the phone is very good', 'dimensions': 8}");
    double norm = 0;
    for (JsonNode number : cut.at("/data/0/embedding")) {
      norm += number.asDouble() * number.asDouble();
    }
    assertEquals(8, cut.at("/data/0/embedding").size());
    assertEquals(1, norm, 1e-5);
  }

  @Test
  void classificationsAreThoseOfTheLibraryWhateverIsBeside() {
    Prediction expected;
    try (Classifier model = Classifier.open(classifier, o -> o.precision(Precision.FP32))) {
      expected = model.predict("it is good");
    }
    JsonNode alone = post("/classifications", "{'model': 'mood', 'input': 'it is good'}");
    JsonNode result = alone.at("/results/0");
    assertEquals(expected.label(), result.get("label").asText());
    assertEquals(expected.score(), result.get("score").asDouble(), 1e-5);
    assertEquals(2, result.get("scores").size());
    List<CompletableFuture<JsonNode>> together = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      String other = "very bad ".repeat(1 + i % 7).strip();
      together.add(
          CompletableFuture.supplyAsync(
              () ->
                  post(
                      "/classifications",
                      "{'model': 'mood', 'input': ['" + other + "', 'it is good']}"),
              task -> new Thread(task).start()));
    }
    for (CompletableFuture<JsonNode> answer : together) {
      assertEquals(
          result.get("scores").toString(),
          answer.join().at("/results/1/scores").toString(),
          "to the last bit");
    }
  }

  @Test
  void tooLongTextsAreRefusedWithTheNumbers() {
    String text = "good ".repeat(40).strip();
    JsonNode error = refusal(400, "/classifications", "{'model': 'mood', 'input': '" + text + "'}");
    assertEquals("context_length_exceeded", error.get("code").asText());
    assertTrue(error.get("message").asText().contains("24 tokens"), error::toString);
    JsonNode cut =
        post("/classifications", "{'model': 'mood', 'input': '" + text + "', 'truncate': true}");
    assertTrue(cut.at("/usage/truncated_tokens").asInt() > 0);
    error =
        refusal(
            400,
            "/completions",
            "{'model': 'tiny', 'prompt': '" + "a".repeat(60) + "', 'max_tokens': 5}");
    assertEquals("context_length_exceeded", error.get("code").asText());
    assertEquals("prompt", error.get("param").asText());
    assertTrue(error.get("message").asText().contains("at most 4"), error::toString);
    error = refusal(400, "/embeddings", "{'model': 'reader', 'input': '" + text + "'}");
    assertEquals("context_length_exceeded", error.get("code").asText());
  }

  /** To ask again would be of no use. */
  @Test
  void moreTextsThanAreTakenAtATimeAreRefusedForGood() {
    JsonNode error =
        refusal(400, "/completions", "{'model': 'tiny', 'prompt': ['a', 'b', 'c'], 'n': 128}");
    assertEquals("n", error.get("param").asText());
    assertTrue(error.get("message").asText().contains("at most 320 "), error::toString);
    error =
        refusal(
            400,
            "/completions",
            "{'model': 'tiny', 'prompt': [" + "'a',".repeat(320) + "'a'], 'max_tokens': 1}");
    assertEquals("prompt", error.get("param").asText());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          /chat/completions | 'model': 'mood', 'messages': [{'role': 'user', 'content': 'a'}] | model for classification
          /embeddings | 'model': 'reader', 'input': '' | empty text
          /embeddings | 'model': 'tiny', 'input': 'a' | a model that makes vectors
          /classifications | 'model': 'tiny', 'input': 'a' | model for causal-lm
          /chat/completions | 'model': 'tiny', 'messages': [] | at least one message
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'x'}}]}] | image_url
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': 'a'}], 'tools': [{'type': 'function', 'function': {'name': 'f'}}] | no form of tool calls
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': 'a'}], 'response_format': {'type': 'json_object'} | response_format
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': 'a'}], 'top_logprobs': 3 | needs 'logprobs'
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': 'a'}], 'wishes': 3 | 'wishes'
          /chat/completions | 'model': 'tiny', 'messages': [{'role': 'user', 'content': 'a'}], 'temperature': 3 | from 0.0 to 2.0
          /completions | 'model': 'tiny', 'prompt': 'a', 'suffix': 'b' | left to right
          /completions | 'model': 'tiny', 'prompt': 'a', 'echo': true | echo
          /completions | 'model': 'tiny', 'prompt': [300] | below 257
          /completions | 'model': 'tiny', 'prompt': 'a', 'stop': ['a', ''] | none empty
          /completions | 'model': 'tiny', 'prompt': '' | empty
          """)
  void whatCannotBeIsRefusedByName(String path, String body, String message) {
    JsonNode error = refusal(400, path, "{" + body + "}");
    assertTrue(error.get("message").asText().contains(message), error::toString);
    assertEquals("invalid_request_error", error.get("type").asText());
  }

  @Test
  void modelsAreListedByName() {
    JsonNode list = json(send("/models", null).body());
    assertEquals(3, list.get("data").size());
    assertEquals("mood", list.at("/data/0/id").asText());
    assertEquals("tiny", json(send("/models/tiny", null).body()).get("id").asText());
    assertEquals(404, send("/models/nothing", null).statusCode());
    assertEquals(
        "model_not_found",
        refusal(404, "/completions", "{'model': 'nothing', 'prompt': 'a'}").get("code").asText());
  }

  /** Megabytes of it would take seconds, which nothing could end. */
  @Test
  void aTextThatNoContextHoldsIsNotTokenised() {
    String text = "good ".repeat(1 << 20);
    for (String[] asked :
        new String[][] {
          {"/completions", "'tiny', 'prompt': 'TEXT'", "prompt"},
          {
            "/chat/completions",
            "'tiny', 'messages': [{'role': 'user', 'content': 'TEXT'}]",
            "messages"
          },
          {"/embeddings", "'reader', 'input': 'TEXT'", "input"},
          {"/classifications", "'mood', 'input': 'TEXT'", "input"},
          {"/classifications", "'mood', 'input': 'TEXT', 'truncate': true", "input"},
        }) {
      JsonNode error = refusal(400, asked[0], "{'model': " + asked[1].replace("TEXT", text) + "}");
      assertEquals("context_length_exceeded", error.get("code").asText());
      assertEquals(asked[2], error.get("param").asText());
      assertTrue(error.get("message").asText().contains(" letters"), error::toString);
    }
  }

  @Test
  void tokensAreCountedAndTimed() {
    post("/completions", "{'model': 'tiny', 'prompt': 'ab', 'max_tokens': 12, 'temperature': 0}");
    String metrics;
    try {
      metrics =
          CLIENT
              .send(
                  HttpRequest.newBuilder(server.address().resolve("/metrics")).build(),
                  HttpResponse.BodyHandlers.ofString())
              .body();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
    for (String name :
        List.of(
            "prompt_tokens_total",
            "generation_tokens_total",
            "time_to_first_token_seconds_count",
            "request_time_per_output_token_seconds_count")) {
      assertTrue(
          metrics.matches("(?s).*\nattune_" + name + "\\{model_name=\"tiny\"\\} [1-9]\\d*\n.*"),
          name + " is not in " + metrics);
    }
  }

  @Test
  void aStreamComesAsItIsWritten() throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(server.address() + "/completions"))
            .header("Content-Type", "application/json")
            .POST(
                HttpRequest.BodyPublishers.ofString(
                    "{\"model\": \"tiny\", \"prompt\": \"a\", \"max_tokens\": 40, \"stream\": true,"
                        + " \"temperature\": 0}"))
            .build();
    HttpResponse<InputStream> response =
        CLIENT.send(request, HttpResponse.BodyHandlers.ofInputStream());
    assertEquals(
        "text/event-stream; charset=utf-8",
        response.headers().firstValue("content-type").orElseThrow());
    try (InputStream in = response.body()) {
      String all = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      assertTrue(all.endsWith("data: [DONE]\n\n"), all);
    }
  }
}
