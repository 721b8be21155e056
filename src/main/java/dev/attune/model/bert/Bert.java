package dev.attune.model.bert;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Activation;
import dev.attune.model.EncoderConfig;
import dev.attune.model.EncoderModel;
import dev.attune.model.EncoderNames;
import dev.attune.model.Head;

/** BERT (Devlin et al., 2018), as in Transformers' modeling_bert.py. */
public final class Bert {
  private Bert() {}

  /** Reads config.json of a model of type "bert". */
  public static EncoderModel.Family family(JsonNode json) {
    float hiddenDropout = optionalFloat(json, "hidden_dropout_prob", 0.1f);
    EncoderConfig config =
        new EncoderConfig(
            requiredInt(json, "vocab_size"),
            requiredInt(json, "hidden_size"),
            requiredInt(json, "num_hidden_layers"),
            requiredInt(json, "num_attention_heads"),
            requiredInt(json, "intermediate_size"),
            requiredInt(json, "max_position_embeddings"),
            0,
            requiredInt(json, "type_vocab_size"),
            optionalFloat(json, "layer_norm_eps", 1e-12f),
            hiddenDropout,
            true,
            optionalFloat(json, "attention_probs_dropout_prob", 0.1f),
            optionalFloat(json, "classifier_dropout", hiddenDropout),
            Activation.fromConfig(json.path("hidden_act").asText("gelu")),
            optionalFloat(json, "initializer_range", 0.02f));
    return new EncoderModel.Family(
        config,
        EncoderNames.bertLike("bert"),
        "bert",
        Head.Spec.dense("bert.pooler.dense", Activation.TANH, false, "classifier"),
        Head.Spec.linear("classifier"),
        Head.Spec.linearWithoutDropout("qa_outputs"),
        "Bert");
  }
}
