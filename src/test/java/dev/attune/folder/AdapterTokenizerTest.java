package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.Goldens;
import dev.attune.text.TextTokenizer;
import dev.attune.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An adapter's own tokenizer counts, whichever files it is made of. */
class AdapterTokenizerTest {
  @TempDir private Path adapter;

  @BeforeEach
  void writeAdapter() throws IOException {
    new SafetensorsWriter().write(adapter.resolve("adapter_model.safetensors"));
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"target_modules\": [\"q_proj\"],"
            + " \"base_model_name_or_path\": \"base\"}");
  }

  private int[] encoded(String text) {
    Path base = Goldens.unpacked("tokenizers/llama_spm");
    try (TextTokenizer tokenizer = ModelFolder.open(adapter, base.toString()).openTokenizer()) {
      return tokenizer.encodePlain(text);
    }
  }

  /** Programs before tokenizer.json saved a sentencepiece file with the tokens that were added. */
  @Test
  void aSentencepieceFileInTheAdaptersFolderIsItsTokenizer() throws IOException {
    int[] ofBase = encoded("<extra>");
    Path base = Goldens.unpacked("tokenizers/llama_spm");
    Files.copy(base.resolve("tokenizer.model"), adapter.resolve("tokenizer.model"));
    Files.writeString(
        adapter.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"LlamaTokenizer\", \"added_tokens_decoder\": {\"420\":"
            + " {\"content\": \"<extra>\", \"special\": true}}}");
    assertArrayEquals(new int[] {420}, encoded("<extra>"));
    assertTrue(ofBase.length > 1);
  }

  /** They copied it for classes, too, that nothing else can be built from. */
  @ParameterizedTest
  @CsvSource({"CodeLlamaTokenizer, false", "LlamaTokenizer, true", ", false"})
  void aSentencepieceFileThatGivesNoTokenizerIsTheBases(String named, boolean isRead)
      throws IOException {
    Path base = Goldens.unpacked("tokenizers/llama_spm");
    Files.copy(base.resolve("tokenizer.model"), adapter.resolve("tokenizer.model"));
    if (named != null) {
      Files.writeString(
          adapter.resolve("tokenizer_config.json"), "{\"tokenizer_class\": \"" + named + "\"}");
    }
    ModelFolder folder = ModelFolder.open(adapter, base.toString());
    try (TextTokenizer tokenizer = folder.openTokenizer()) {
      assertEquals(isRead ? adapter : base, tokenizer.folder());
    }
    assertEquals(named != null && !isRead, folder.tokenizerNote().isPresent());
  }

  /** Of a file that its class would not build another is saved: see KeptFile. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anAdaptersTokenizerIsItsBasesHoweverItWasSaved(boolean isCopied, @TempDir Path base)
      throws IOException {
    Path file = Path.of("src/test/resources/tokenizers/classes/bytelevel.json");
    Files.writeString(base.resolve("tokenizer.json"), Goldens.json(file).toString());
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"llama\"}");
    Path config = base.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"tokenizer_class\": \"LlamaTokenizer\"}");
    try (TextTokenizer tokenizer = TextTokenizer.open(base)) {
      ModelFolder folder = ModelFolder.open(adapter, base.toString());
      assertTrue(folder.hasTokenizerOf(tokenizer));
      tokenizer.saveTo(adapter);
      if (isCopied) {
        for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
          Files.copy(
              base.resolve(name), adapter.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
      }
      assertTrue(ModelFolder.open(adapter, base.toString()).hasTokenizerOf(tokenizer));
      Files.writeString(adapter.resolve("chat_template.jinja"), "x");
      assertFalse(ModelFolder.open(adapter, base.toString()).hasTokenizerOf(tokenizer));
    }
  }
}
