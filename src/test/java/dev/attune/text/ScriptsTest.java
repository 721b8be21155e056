package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Texts in many scripts, and texts that are hard to take apart (marks on their own, letters in
 * several spellings, joined emoji, what is not seen, the ends of Unicode), have the ids and offsets
 * of Transformers and come back as there.
 */
class ScriptsTest {
  private static final Path FOLDER = Path.of("src/test/resources/tokenizers/scripts");
  private static final JsonNode GOLDENS = Goldens.json(FOLDER.resolve("goldens.json"));
  private static final List<String> TEXTS =
      StreamSupport.stream(GOLDENS.get("texts").spliterator(), false)
          .map(JsonNode::asText)
          .toList();

  @TempDir private Path folder;

  static Stream<Arguments> cases() {
    return StreamSupport.stream(GOLDENS.get("cases").spliterator(), false)
        .map(item -> Arguments.of(item.get("file").asText() + " " + settings(item), item));
  }

  private static String settings(JsonNode item) {
    return item.get("tokenizer_config").toString();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void equalsTransformers(String name, JsonNode item) throws IOException {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        Goldens.json(FOLDER.resolve(item.get("file").asText() + ".json")).toString());
    Files.writeString(
        folder.resolve("config.json"), "{\"model_type\": " + item.get("model_type") + "}");
    Files.writeString(folder.resolve("tokenizer_config.json"), settings(item));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      for (int i = 0; i < TEXTS.size(); i++) {
        JsonNode row = item.get("rows").get(i);
        String text = TEXTS.get(i);
        Encoding encoding = tokenizer.encode(text, null);
        assertArrayEquals(ints(row.get("ids")), encoding.ids(), () -> shown(text));
        assertArrayEquals(ints(row.get("offsets")), encoding.offsets(), () -> shown(text));
        assertArrayEquals(
            encoding.ids(),
            tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids(),
            () -> shown(text));
        assertEquals(
            row.get("decoded").asText(), tokenizer.decode(encoding.ids(), true), () -> shown(text));
      }
    }
    assertTrue(TEXTS.size() > 130, "only " + TEXTS.size() + " texts");
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert-base-uncased", "gpt2", "llama2", "roberta-base"})
  void wholeVocabulariesToo(String name) {
    JsonNode rows = GOLDENS.get("whole").get(name);
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
      for (int i = 0; i < TEXTS.size(); i++) {
        String text = TEXTS.get(i);
        assertArrayEquals(
            ints(rows.get(i)),
            tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids(),
            () -> shown(text));
      }
    }
  }

  /** Code points, since much of these texts is not seen. */
  private static String shown(String text) {
    StringBuilder out = new StringBuilder("\"" + text + "\"");
    text.codePoints().forEach(c -> out.append(String.format(" %04X", c)));
    return out.toString();
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
