package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.Goldens;
import dev.attune.text.TextTokenizer;
import dev.attune.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An adapter's own tokenizer counts, whichever files it is made of. */
class AdapterTokenizerTest {
  @TempDir private Path adapter;

  private int[] encoded(String text) {
    Path base = Goldens.unpacked("tokenizers/llama_spm");
    try (TextTokenizer tokenizer = ModelFolder.open(adapter, base.toString()).openTokenizer()) {
      return tokenizer.encodePlain(text);
    }
  }

  /** Programs before tokenizer.json saved a sentencepiece file with the tokens that were added. */
  @Test
  void aSentencepieceFileInTheAdaptersFolderIsItsTokenizer() throws IOException {
    new SafetensorsWriter().write(adapter.resolve("adapter_model.safetensors"));
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"target_modules\": [\"q_proj\"],"
            + " \"base_model_name_or_path\": \"base\"}");
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
}
