package dev.attune.server.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.Entity;
import dev.attune.Precision;
import dev.attune.TaggedWord;
import dev.attune.Tagger;
import dev.attune.Tagging;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.ServerConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tags of words: {@code /v1/classifications} of a model that gives them. */
@Timeout(120)
class TaggingApiTest {
  @TempDir static Path scratch;
  private static Path model;
  private static AttuneServer server;
  private static Client client;

  @BeforeAll
  static void start() {
    model = ServedModels.tagger(scratch);
    server =
        AttuneServer.start(
            new ServerConfig()
                .port(0)
                .dataDir(scratch.resolve("data"))
                .baseModel("things", model)
                .inference(o -> o.precision("fp32").threads(1)));
    client = new Client(server.address(), null);
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static Answer ask(String input, String more) throws Exception {
    return client.post("classifications", "{'model': 'things', 'input': " + input + more + "}");
  }

  private static JsonNode results(String input) throws Exception {
    Answer answer = ask(input, "");
    assertEquals(200, answer.status(), answer::text);
    assertEquals("token-classification", answer.json().path("task").asText());
    return answer.json().path("results");
  }

  /** A letter beyond the plane of most counts once, as in most languages. */
  private static void assertSame(Tagging expected, String text, JsonNode result) {
    assertEquals(expected.words().size(), result.path("words").size(), result::toString);
    for (int i = 0; i < expected.words().size(); i++) {
      TaggedWord word = expected.words().get(i);
      JsonNode told = result.path("words").get(i);
      assertEquals(word.word(), told.path("word").asText());
      assertEquals(word.tag(), told.path("tag").asText());
      assertEquals(word.score(), told.path("score").asDouble(), 1e-5);
      assertEquals(text.codePointCount(0, word.start()), told.path("start").asInt());
      assertEquals(text.codePointCount(0, word.end()), told.path("end").asInt());
    }
    assertEquals(expected.entities().size(), result.path("entities").size(), result::toString);
    for (int i = 0; i < expected.entities().size(); i++) {
      Entity entity = expected.entities().get(i);
      JsonNode told = result.path("entities").get(i);
      assertEquals(entity.label(), told.path("label").asText());
      assertEquals(entity.text(), told.path("text").asText());
      assertEquals(entity.score(), told.path("score").asDouble(), 1e-5);
      assertEquals(text.codePointCount(0, entity.start()), told.path("start").asInt());
      assertEquals(text.codePointCount(0, entity.end()), told.path("end").asInt());
    }
  }

  @Test
  void tagsAreThoseOfTheLibrary() throws Exception {
    String text = "\ud83d\ude00 the  book, a phone!";
    List<String> words = List.of("my", "book");
    try (Tagger tagger = Tagger.open(model, o -> o.precision(Precision.FP32).threads(1))) {
      assertEquals(2, tagger.predict(text).entities().size());
      JsonNode found = results("['" + text + "', ' ', ['my', 'book'], []]");
      assertEquals(4, found.size());
      assertSame(tagger.predict(text), text, found.get(0));
      assertSame(tagger.predictWords(words), "my book", found.get(2));
      for (int empty : new int[] {1, 3}) {
        assertEquals(empty, found.get(empty).path("index").asInt());
        assertEquals(0, found.get(empty).path("words").size());
      }
    }
    assertEquals(0, results("''").get(0).path("entities").size());
  }

  /** To the last bit. */
  @Test
  void whoElseAsksDoesNotCount() throws Exception {
    String alone = results("'a book'").get(0).toString();
    List<Thread> threads = new ArrayList<>();
    List<String> told = java.util.Collections.synchronizedList(new ArrayList<>());
    for (int i = 0; i < 12; i++) {
      String other = "the phone ".repeat(1 + i % 5).strip();
      Thread thread =
          new Thread(
              () -> {
                try {
                  told.add(results("['a book', '" + other + "']").get(0).toString());
                } catch (Exception e) {
                  told.add(e.toString());
                }
              });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(12, told.size());
    assertEquals(List.of(alone), told.stream().distinct().toList());
  }

  @Test
  void wordsBeyondTheLongestTextAreCutOnRequest() throws Exception {
    String text = "'" + "book ".repeat(40).strip() + "'";
    Answer refused = ask(text, "");
    assertEquals(400, refused.status(), refused::text);
    assertEquals("context_length_exceeded", refused.json().at("/error/code").asText());
    Answer cut = ask(text, ", 'truncate': true");
    assertEquals(200, cut.status(), cut::text);
    assertTrue(cut.json().at("/usage/truncated_tokens").asInt() > 0, cut::text);
    JsonNode result = cut.json().path("results").get(0);
    int told = result.path("words").size();
    assertTrue(told > 0 && told < 40, result::toString);
    assertFalse(result.path("words").get(told - 1).path("tag").isNull(), result::toString);
    assertEquals(40 - told, result.path("unread_words").asInt());
  }

  /** Each would be some hundred bytes of the answer, and of memory before. */
  @Test
  void moreWordsThanARequestMayHaveAreRefusedByNumber() throws Exception {
    String most = "!".repeat(1 << 17);
    for (String input : List.of("['!', '" + most + "']", "['" + most + "', ['a']]")) {
      Answer refused = ask(input, ", 'truncate': true");
      assertEquals(400, refused.status(), refused::text);
      String message = refused.json().at("/error/message").asText();
      assertTrue(message.contains("131073 words") && message.contains("131072"), message);
    }
    Answer cut = ask("'" + most + "'", ", 'truncate': true");
    assertEquals(200, cut.status(), cut::text);
    assertTrue(cut.text().length() < 1 << 14, cut::text);
  }

  @Test
  void whatIsNoTextIsRefused() throws Exception {
    for (String input : List.of("[[1]]", "[null]", "[['a', ['b']]]", "{}", "[]")) {
      Answer refused = ask(input, "");
      assertEquals(400, refused.status(), refused::text);
      assertEquals("input", refused.json().at("/error/param").asText(), refused::text);
    }
  }
}
