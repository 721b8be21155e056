package dev.attune.model.llama;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Activation;
import dev.attune.model.decoder.ConfigReader;
import dev.attune.model.decoder.DecoderConfig;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.decoder.DecoderNames;
import dev.attune.model.decoder.Rotary;

/**
 * Llama 1 to 3 (Touvron et al., 2023) and those that differ from it in a few switches, as in
 * Transformers' modeling_llama.py.
 */
public final class Llama {
  private Llama() {}

  /** Reads config.json of a model of type "llama". */
  public static DecoderModel.Family family(JsonNode json) {
    boolean bias = json.path("attention_bias").asBoolean(false);
    int layers = requiredInt(json, "num_hidden_layers");
    return family(json, new Switches("Llama", bias, bias, false, ConfigReader.unlimited(layers)));
  }

  /**
   * Where a relative differs.
   *
   * @param className prefix of its class names in Transformers
   * @param bias of query, key and value
   * @param outBias of the product after attention
   * @param headNorm whether query and key heads are normalized
   * @param windows of each layer
   */
  public record Switches(
      String className, boolean bias, boolean outBias, boolean headNorm, int[] windows) {}

  /** Reads config.json of a relative. */
  public static DecoderModel.Family family(JsonNode json, Switches switches) {
    int headSize = ConfigReader.headSize(json);
    DecoderConfig config =
        new DecoderConfig(
            requiredInt(json, "vocab_size"),
            requiredInt(json, "hidden_size"),
            requiredInt(json, "max_position_embeddings"),
            new DecoderConfig.Attention(
                requiredInt(json, "num_attention_heads"),
                ConfigReader.keyValueHeads(json),
                headSize,
                switches.bias(),
                switches.outBias(),
                switches.headNorm(),
                optionalFloat(json, "attention_dropout", 0f)),
            new DecoderConfig.FeedForward(
                requiredInt(json, "intermediate_size"),
                Activation.fromConfig(json.path("hidden_act").asText("silu")),
                true,
                json.path("mlp_bias").asBoolean(false)),
            new DecoderConfig.Norm(true, optionalFloat(json, "rms_norm_eps", 1e-6f)),
            Rotary.fromConfig(json, headSize),
            switches.windows(),
            false,
            json.path("tie_word_embeddings").asBoolean(false),
            0f,
            0f,
            optionalFloat(json, "initializer_range", 0.02f));
    return new DecoderModel.Family(
        config,
        DecoderNames.llamaLike(),
        "model",
        switches.className() + "ForCausalLM",
        switches.className() + "ForSequenceClassification");
  }
}
