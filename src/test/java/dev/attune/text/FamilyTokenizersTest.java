package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Small tokenizers of the families of encoders, as Transformers' classes save them: Unigram with
 * metaspaces, WordPiece and byte-level BPE give texts, pairs and words the ids, types and offsets
 * that Transformers gives them; so do folders that have the files of a vocabulary alone.
 */
class FamilyTokenizersTest {
  private static final Path FOLDER = Path.of("src/test/resources/tokenizers");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "xlm_roberta",
        "camembert",
        "albert",
        "electra",
        "mpnet",
        "modernbert",
        "deberta",
        "deberta_spm",
        "xlm_roberta_spm",
        "camembert_spm",
        "albert_spm",
        "llama_spm",
        "mpnet_words",
        "roberta_files",
        "gpt_neox_files"
      })
  void equalsTransformers(String family) {
    Path folder = Goldens.unpacked("tokenizers/" + family);
    int texts = 0;
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      for (JsonNode row : Goldens.json(folder.resolve("golden.json"))) {
        if (row.has("words")) {
          checkWords(tokenizer, row);
        } else {
          checkText(tokenizer, row);
          texts++;
        }
      }
    }
    assertTrue(texts > 20, "only " + texts + " texts");
  }

  /**
   * A folder without a class of its own, as Mistral's: ids are those of the sentencepiece library
   * over the file that does not trim spaces, as Mistral's does not.
   */
  @Test
  void aSentencepieceFileAloneGivesItsPieces(@TempDir Path folder) throws IOException {
    Path file = Goldens.unpacked("tokenizers/llama_spm").resolve("tokenizer.model");
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"mistral\"}");
    Files.copy(file, folder.resolve("tokenizer.model"));
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains("changes texts before it cuts them"), message);
    byte[] spacesStay = {0x1a, 2, 0x20, 0}; // normalizer_spec.remove_extra_whitespaces is false
    Files.write(folder.resolve("tokenizer.model"), spacesStay, StandardOpenOption.APPEND);
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      Map<String, int[]> texts =
          Map.of(
              "the film is good", new int[] {261, 269, 380, 263, 392, 385, 334, 303},
              "  two  spaces ",
                  new int[] {385, 385, 259, 398, 390, 385, 262, 404, 388, 331, 392, 385},
              "naïve 日本",
                  new int[] {385, 389, 388, 198, 178, 356, 385, 233, 154, 168, 233, 159, 175},
              "a\nb\tc", new int[] {264, 13, 399, 12, 400});
      texts.forEach(
          (text, ids) -> {
            assertArrayEquals(ids, tokenizer.encodePlain(text), text);
            assertEquals(text, tokenizer.decode(ids, true));
          });
    }
  }

  /** Transformers gives a model no types where the tokenizer's files do not name them. */
  @Test
  void theFilesSayWhetherTheModelReadsTypes(@TempDir Path folder) throws IOException {
    Files.copy(FOLDER.resolve("electra/tokenizer.json"), folder.resolve("tokenizer.json"));
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"electra\"}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertTrue(tokenizer.usesTypeIds());
    }
    for (boolean named : new boolean[] {true, false}) {
      Files.writeString(
          folder.resolve("tokenizer_config.json"),
          "{\"model_input_names\": [\"input_ids\"%s]}"
              .formatted(named ? ", \"token_type_ids\"" : ""));
      try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
        assertEquals(named, tokenizer.usesTypeIds());
      }
    }
  }

  private static void checkText(TextTokenizer tokenizer, JsonNode row) {
    String text = row.get("text").asText();
    String pair = row.has("pair") ? row.get("pair").asText() : null;
    Encoding encoding = tokenizer.encode(text, pair);
    assertArrayEquals(ints(row.get("ids")), encoding.ids(), row.toString());
    assertArrayEquals(ints(row.get("type_ids")), encoding.typeIds(), row.toString());
    List<Integer> offsets = new ArrayList<>();
    row.get("offsets").forEach(span -> span.forEach(end -> offsets.add(end.asInt())));
    assertArrayEquals(
        offsets.stream().mapToInt(Integer::intValue).toArray(), encoding.offsets(), row.toString());
    TokenIds lean = tokenizer.encodeIds(text, pair, Integer.MAX_VALUE);
    assertArrayEquals(encoding.ids(), lean.ids(), row.toString());
  }

  private static void checkWords(TextTokenizer tokenizer, JsonNode row) {
    List<String> words =
        StreamSupport.stream(row.get("words").spliterator(), false).map(JsonNode::asText).toList();
    Encoding encoding = tokenizer.encodeWords(words);
    assertArrayEquals(ints(row.get("ids")), encoding.ids(), row.toString());
    assertArrayEquals(ints(row.get("word_ids")), encoding.wordIds(), row.toString());
    assertEquals(encoding.length(), tokenizer.encodeWordIds(words, Integer.MAX_VALUE).ids().length);
  }

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
