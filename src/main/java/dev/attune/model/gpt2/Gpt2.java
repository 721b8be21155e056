package dev.attune.model.gpt2;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.model.decoder.ConfigReader;
import dev.attune.model.decoder.DecoderConfig;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.decoder.DecoderNames;
import java.util.List;

/** GPT-2 (Radford et al., 2019), as in Transformers' modeling_gpt2.py. */
public final class Gpt2 {
  private Gpt2() {}

  /** Reads config.json of a model of type "gpt2". */
  public static DecoderModel.Family family(JsonNode json) {
    if (json.path("scale_attn_by_inverse_layer_idx").asBoolean(false)
        || !json.path("scale_attn_weights").asBoolean(true)) {
      throw new InputException(
          "config.json: scale_attn_by_inverse_layer_idx and unscaled attention are not supported");
    }
    int width = requiredInt(json, "n_embd");
    int heads = requiredInt(json, "n_head");
    if (width % heads != 0) {
      throw new InputException(
          "config.json: the width " + width + " is not a multiple of the " + heads + " heads");
    }
    DecoderConfig config =
        new DecoderConfig(
            requiredInt(json, "vocab_size"),
            width,
            requiredInt(json, "n_positions"),
            new DecoderConfig.Attention(
                heads,
                heads,
                width / heads,
                true,
                true,
                false,
                optionalFloat(json, "attn_pdrop", 0.1f)),
            new DecoderConfig.FeedForward(
                json.hasNonNull("n_inner") ? requiredInt(json, "n_inner") : 4 * width,
                Activation.fromConfig(json.path("activation_function").asText("gelu_new")),
                false,
                true),
            new DecoderConfig.Norm(false, optionalFloat(json, "layer_norm_epsilon", 1e-5f)),
            null,
            ConfigReader.unlimited(requiredInt(json, "n_layer")),
            false,
            json.path("tie_word_embeddings").asBoolean(true),
            optionalFloat(json, "embd_pdrop", 0.1f),
            optionalFloat(json, "resid_pdrop", 0.1f),
            optionalFloat(json, "initializer_range", 0.02f));
    String layer = "transformer.h.%d.";
    DecoderNames names =
        new DecoderNames(
            "transformer.wte",
            "transformer.wpe",
            layer + "ln_1",
            List.of(layer + "attn.c_attn"),
            null,
            null,
            layer + "attn.c_proj",
            layer + "ln_2",
            null,
            layer + "mlp.c_fc",
            layer + "mlp.c_proj",
            "transformer.ln_f",
            "lm_head",
            true,
            false);
    return new DecoderModel.Family(
        config, names, "transformer", "GPT2LMHeadModel", "GPT2ForSequenceClassification");
  }
}
