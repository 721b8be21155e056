package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Where tokenizer_config.json and tokenizer.json disagree, ids are those of Transformers. */
class TokenizerClassTest {
  private static final Path FOLDER = Path.of("src/test/resources/tokenizers/classes");

  @TempDir private Path folder;

  static Stream<Arguments> cases() {
    return StreamSupport.stream(Goldens.json(FOLDER.resolve("cases.json")).spliterator(), false)
        .map(
            item ->
                Arguments.of(
                    item.get("file").asText()
                        + " "
                        + item.get("model_type").asText()
                        + " "
                        + item.get("tokenizer_config")
                        + item.path("changes"),
                    item));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void equalsTransformers(String name, JsonNode item) throws IOException {
    ObjectNode tokenizerJson =
        (ObjectNode) Goldens.json(FOLDER.resolve(item.get("file").asText() + ".json"));
    for (Map.Entry<String, JsonNode> change : item.path("changes").properties()) {
      if (tokenizerJson.get(change.getKey()) instanceof ObjectNode part
          && change.getValue() instanceof ObjectNode values
          && !values.has("type")) {
        part.setAll(values);
      } else {
        tokenizerJson.set(change.getKey(), change.getValue());
      }
    }
    Files.writeString(folder.resolve("tokenizer.json"), tokenizerJson.toString());
    Files.writeString(
        folder.resolve("config.json"), "{\"model_type\": " + item.get("model_type") + "}");
    Files.writeString(
        folder.resolve("tokenizer_config.json"), item.get("tokenizer_config").toString());
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      for (JsonNode row : item.get("rows")) {
        String text = row.get("text").asText();
        String pair = row.has("pair") ? row.get("pair").asText() : null;
        TokenIds encoded = tokenizer.encodeIds(text, pair, Integer.MAX_VALUE);
        int[] ids = encoded.ids();
        assertArrayEquals(numbers(row.get("ids")), ids, () -> name + ": \"" + text + '"');
        if (pair != null) {
          assertArrayEquals(numbers(row.get("type_ids")), encoded.typeIds(), name);
        }
        if (row.has("decoded")) {
          assertEquals(row.get("decoded").asText(), tokenizer.decode(ids, true), name);
        }
      }
    }
  }

  private static int[] numbers(JsonNode list) {
    return list.isNull()
        ? null
        : StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
