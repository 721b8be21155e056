package dev.attune.model.gptneox;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Activation;
import dev.attune.model.decoder.ConfigReader;
import dev.attune.model.decoder.DecoderConfig;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.decoder.DecoderNames;
import dev.attune.model.decoder.Rotary;
import java.util.List;

/** GPT-NeoX and Pythia (Black et al., 2022), as in Transformers' modeling_gpt_neox.py. */
public final class GptNeox {
  private GptNeox() {}

  /** Reads config.json of a model of type "gpt_neox". */
  public static DecoderModel.Family family(JsonNode json) {
    int heads = requiredInt(json, "num_attention_heads");
    int headSize = ConfigReader.headSize(json);
    boolean bias = json.path("attention_bias").asBoolean(true);
    float dropout = optionalFloat(json, "hidden_dropout", 0f);
    DecoderConfig config =
        new DecoderConfig(
            requiredInt(json, "vocab_size"),
            requiredInt(json, "hidden_size"),
            requiredInt(json, "max_position_embeddings"),
            new DecoderConfig.Attention(
                heads,
                heads,
                headSize,
                bias,
                bias,
                false,
                optionalFloat(json, "attention_dropout", 0f)),
            new DecoderConfig.FeedForward(
                requiredInt(json, "intermediate_size"),
                Activation.fromConfig(json.path("hidden_act").asText("gelu")),
                false,
                true),
            new DecoderConfig.Norm(false, optionalFloat(json, "layer_norm_eps", 1e-5f)),
            Rotary.fromConfig(json, headSize),
            ConfigReader.unlimited(requiredInt(json, "num_hidden_layers")),
            json.path("use_parallel_residual").asBoolean(true),
            json.path("tie_word_embeddings").asBoolean(false),
            dropout,
            dropout,
            optionalFloat(json, "initializer_range", 0.02f));
    String layer = "gpt_neox.layers.%d.";
    DecoderNames names =
        new DecoderNames(
            "gpt_neox.embed_in",
            null,
            layer + "input_layernorm",
            List.of(layer + "attention.query_key_value"),
            null,
            null,
            layer + "attention.dense",
            layer + "post_attention_layernorm",
            null,
            layer + "mlp.dense_h_to_4h",
            layer + "mlp.dense_4h_to_h",
            "gpt_neox.final_layer_norm",
            "embed_out",
            false,
            true);
    return new DecoderModel.Family(
        config, names, "gpt_neox", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification");
  }
}
