package dev.attune.model.roberta;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Activation;
import dev.attune.model.EncoderConfig;
import dev.attune.model.EncoderModel;
import dev.attune.model.EncoderNames;
import dev.attune.model.Head;

/**
 * RoBERTa (Liu et al., 2019), as in Transformers' modeling_roberta.py: BERT with positions that
 * start after the padding token's, and a head of its own.
 */
public final class Roberta {
  private Roberta() {}

  /** Reads config.json of a model of type "roberta". */
  public static EncoderModel.Family family(JsonNode json) {
    float hiddenDropout = optionalFloat(json, "hidden_dropout_prob", 0.1f);
    float classifierDropout = optionalFloat(json, "classifier_dropout", hiddenDropout);
    EncoderConfig config =
        new EncoderConfig(
            requiredInt(json, "vocab_size"),
            requiredInt(json, "hidden_size"),
            requiredInt(json, "num_hidden_layers"),
            requiredInt(json, "num_attention_heads"),
            requiredInt(json, "intermediate_size"),
            requiredInt(json, "max_position_embeddings"),
            json.path("pad_token_id").asInt(1) + 1,
            requiredInt(json, "type_vocab_size"),
            optionalFloat(json, "layer_norm_eps", 1e-12f),
            hiddenDropout,
            true,
            optionalFloat(json, "attention_probs_dropout_prob", 0.1f),
            classifierDropout,
            Activation.fromConfig(json.path("hidden_act").asText("gelu")),
            optionalFloat(json, "initializer_range", 0.02f));
    return new EncoderModel.Family(
        config,
        EncoderNames.bertLike("roberta"),
        "roberta",
        Head.Spec.dense("classifier.dense", Activation.TANH, true, "classifier.out_proj"),
        Head.Spec.linear("classifier"),
        Head.Spec.linearWithoutDropout("qa_outputs"),
        "Roberta");
  }
}
