package dev.attune.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import dev.attune.model.Families;
import dev.attune.run.RunOption;
import dev.attune.task.CausalLm;
import dev.attune.task.Classification;
import dev.attune.task.Task;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A known model's shape, for benchmarks with random weights.
 *
 * @param config config.json
 * @param task whose training is timed: two classes for encoders, language modelling for decoders
 */
record BenchShape(JsonNode config, Task task) {
  /** What is timed where no shape says otherwise. */
  static final Task TWO_CLASSES = new Classification(LabelMap.ofNames(List.of("0", "1")));

  private static final String BERT =
      """
      {"model_type": "bert", "vocab_size": 30522, "hidden_size": %d, "num_hidden_layers": %d,
       "num_attention_heads": %d, "intermediate_size": %d, "max_position_embeddings": 512,
       "type_vocab_size": 2, "hidden_act": "gelu"}
      """;

  private static final String GPT2 =
      """
      {"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
       "n_positions": 1024, "embd_pdrop": 0, "attn_pdrop": 0, "resid_pdrop": 0}
      """;

  private static final String LLAMA =
      """
      {"model_type": "llama", "vocab_size": 32000, "hidden_size": %d, "num_hidden_layers": %d,
       "num_attention_heads": %d, "num_key_value_heads": 4, "intermediate_size": %d,
       "max_position_embeddings": 2048, "rms_norm_eps": 1e-6}
      """;

  private static final Map<String, String> SHAPES =
      new TreeMap<>(
          Map.of(
              "minilm", BERT.formatted(384, 6, 12, 1536),
              "bert-base", BERT.formatted(768, 12, 12, 3072),
              "bert-large", BERT.formatted(1024, 24, 16, 4096),
              "gpt2", GPT2,
              "llama-160m", LLAMA.formatted(768, 12, 12, 2048),
              "llama-1b", LLAMA.formatted(2048, 22, 32, 5632)));

  /** The shape of a name that {@code --shape} takes. */
  static BenchShape of(String name) {
    String json = SHAPES.get(name);
    if (json == null) {
      throw new InputException(
          RunOption.SHAPE
              + " is '"
              + name
              + "'; allowed are "
              + String.join(", ", SHAPES.keySet()));
    }
    try {
      JsonNode config = new ObjectMapper().readTree(json);
      boolean isDecoder = Families.of(config).isDecoder();
      return new BenchShape(config, isDecoder ? new CausalLm(false) : TWO_CLASSES);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
