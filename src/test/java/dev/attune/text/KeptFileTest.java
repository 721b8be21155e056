package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Transformers 5 builds what the class builds, and drops further parts of tokenizer.json, with
 * which the model was trained; of folders that name no class it reads the file as it is.
 */
class KeptFileTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FILES = Path.of("src/test/resources/tokenizers/classes");

  private static final String DIGITS =
      "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", \"individual_digits\":"
          + " true}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\":"
          + " true, \"use_regex\": true}]}";

  @TempDir private Path folder;
  @TempDir private Path saved;

  /** A folder as tokenizers/classes has its file, with other cuts. */
  private void write(String file, String cuts, String model, String config) throws IOException {
    ObjectNode tokenizer = (ObjectNode) Goldens.json(FILES.resolve(file + ".json"));
    if (cuts != null) {
      tokenizer.set("pre_tokenizer", JSON.readTree(cuts));
    }
    Files.writeString(folder.resolve("tokenizer.json"), tokenizer.toString());
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"" + model + "\"}");
    Files.copy(folder.resolve("config.json"), saved.resolve("config.json"));
    Files.writeString(folder.resolve("tokenizer_config.json"), config);
  }

  private JsonNode savedConfig() throws IOException {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      tokenizer.saveTo(saved);
    }
    return JSON.readTree(saved.resolve("tokenizer_config.json").toFile());
  }

  @Test
  void cutsOfDigitsAreSavedSoThatTransformersReadsThem() throws IOException {
    write("bytelevel", DIGITS, "llama", "{\"tokenizer_class\": \"GPT2Tokenizer\", \"x\": 1}");
    JsonNode config = savedConfig();
    assertEquals("PreTrainedTokenizerFast", config.get("tokenizer_class").asText());
    assertEquals(1, config.get("x").asInt());
    String text = "in 2024, 1999 and 7";
    try (TextTokenizer before = TextTokenizer.open(folder);
        TextTokenizer after = TextTokenizer.open(saved)) {
      assertArrayEquals(before.encodePlain(text), after.encodePlain(text));
      assertEquals(4, before.encodePlain("2024").length);
      assertEquals(before.vocabulary().eosId(), after.vocabulary().eosId());
    }
  }

  /** What the class would have said is said in its place. */
  @ParameterizedTest
  @CsvSource({
    "bytelevel, llama, LlamaTokenizer, left",
    "bytelevel, bert, BertTokenizer, ",
    "wordpiece, llama, LlamaTokenizer, left",
  })
  void aFileUnderAnotherClassLosesTheClassAlone(
      String file, String model, String named, String padding) throws IOException {
    write(file, null, model, "{\"tokenizer_class\": \"" + named + "\"}");
    JsonNode config = savedConfig();
    assertEquals("PreTrainedTokenizerFast", config.get("tokenizer_class").asText());
    assertEquals(padding, config.path("padding_side").asText(null));
    assertEquals(
        JSON.readTree(
            named.startsWith("Bert")
                ? "[\"input_ids\", \"token_type_ids\", \"attention_mask\"]"
                : "[\"input_ids\", \"attention_mask\"]"),
        config.get("model_input_names"));
    try (TextTokenizer before = TextTokenizer.open(folder);
        TextTokenizer after = TextTokenizer.open(saved)) {
      assertArrayEquals(before.encodePlain("the 12 films"), after.encodePlain("the 12 films"));
      assertEquals(before.usesTypeIds(), after.usesTypeIds());
      assertEquals(before.vocabulary().size(), after.vocabulary().size());
    }
  }

  /** As tokenization_mpnet.py builds it, over a file of BERT's. */
  @Test
  void mpnetFramesPairsAsRobertaDoes() throws IOException {
    write(
        "wordpiece",
        null,
        "mpnet",
        "{\"cls_token\": \"[CLS]\", \"sep_token\": \"[SEP]\", \"unk_token\": \"[UNK]\"}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      int cls = tokenizer.vocabulary().tokenId("[CLS]").orElseThrow();
      int sep = tokenizer.vocabulary().tokenId("[SEP]").orElseThrow();
      int[] a = tokenizer.encodePlain("a");
      assertArrayEquals(
          new int[] {cls, a[0], sep, sep, a[0], sep},
          tokenizer.encodeIds("a", "a", Integer.MAX_VALUE).ids());
    }
  }

  /** Files that their class builds stay as they are. */
  @ParameterizedTest
  @CsvSource({
    "bytelevel, gpt2, GPT2Tokenizer",
    "bytelevel, llama, PreTrainedTokenizerFast",
    "wordpiece, bert, BertTokenizer",
    "metaspace, llama, LlamaTokenizer",
    "prepend, llama, LlamaTokenizer",
    "unigram, xlm-roberta, XLMRobertaTokenizer",
    "albert, albert, AlbertTokenizer",
  })
  void othersAreCopied(String file, String model, String named) throws IOException {
    write(file, null, model, "{\"tokenizer_class\": \"" + named + "\"}");
    assertEquals(named, savedConfig().get("tokenizer_class").asText());
    assertEquals(
        -1, Files.mismatch(folder.resolve("tokenizer.json"), saved.resolve("tokenizer.json")));
    assertFalse(savedConfig().has("padding_side"));
  }
}
