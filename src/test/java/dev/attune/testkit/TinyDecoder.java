package dev.attune.testkit;

import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A small Llama with random weights that reads bytes. */
public final class TinyDecoder {
  /** Its positions. */
  public static final int CONTEXT = 64;

  private TinyDecoder() {}

  /** Writes a model folder: config.json, model.safetensors and the files of the tokenizer. */
  public static Path write(Path folder, Backend backend, int hidden) {
    return write(folder, backend, hidden, new String[0]);
  }

  /**
   * The same that reads more than bytes.
   *
   * @param merges as for {@link ByteTokenizer#write}
   */
  public static Path write(Path folder, Backend backend, int hidden, String... merges) {
    try {
      ByteTokenizer.write(folder, "<end>", merges);
      Files.writeString(
          folder.resolve("config.json"),
          """
          {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": %d,
           "hidden_size": %d, "num_hidden_layers": 2, "num_attention_heads": 4,
           "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": %d,
           "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
           "tie_word_embeddings": true}
          """
              .formatted(ByteTokenizer.END + 1 + merges.length, hidden, CONTEXT));
      try (Model model =
          Families.create(
              backend, ModelFolder.readConfig(folder), HeadKind.LANGUAGE_MODEL, 1, null)) {
        ModelWeights.randomize(model, 7);
        ModelWeights.write(folder.resolve("model.safetensors"), model);
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
