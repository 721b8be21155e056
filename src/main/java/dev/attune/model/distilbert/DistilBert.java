package dev.attune.model.distilbert;

import static dev.attune.model.EncoderConfig.optionalFloat;
import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Activation;
import dev.attune.model.EncoderConfig;
import dev.attune.model.EncoderModel;
import dev.attune.model.EncoderNames;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;

/** DistilBERT (Sanh et al., 2019), as in Transformers' modeling_distilbert.py. */
public final class DistilBert {
  private static final String LAYER = "distilbert.transformer.layer.%d.";

  private static final EncoderNames NAMES =
      new EncoderNames(
          "distilbert.embeddings.word_embeddings",
          "distilbert.embeddings.position_embeddings",
          null,
          "distilbert.embeddings.LayerNorm",
          LAYER + "attention.q_lin",
          LAYER + "attention.k_lin",
          LAYER + "attention.v_lin",
          LAYER + "attention.out_lin",
          LAYER + "sa_layer_norm",
          LAYER + "ffn.lin1",
          LAYER + "ffn.lin2",
          LAYER + "output_layer_norm");

  private DistilBert() {}

  /**
   * Reads config.json of a model of type "distilbert".
   *
   * @param head decides which dropout it has: seq_classif_dropout, for spans qa_dropout, for tokens
   *     dropout
   */
  public static EncoderModel.Family family(JsonNode json, HeadKind head) {
    float dropout = optionalFloat(json, "dropout", 0.1f);
    EncoderConfig config =
        new EncoderConfig(
            requiredInt(json, "vocab_size"),
            requiredInt(json, "dim"),
            requiredInt(json, "n_layers"),
            requiredInt(json, "n_heads"),
            requiredInt(json, "hidden_dim"),
            requiredInt(json, "max_position_embeddings"),
            0,
            0,
            1e-12f,
            dropout,
            false,
            optionalFloat(json, "attention_dropout", 0.1f),
            switch (head) {
              case SEQUENCE -> optionalFloat(json, "seq_classif_dropout", 0.2f);
              case SPAN -> optionalFloat(json, "qa_dropout", 0.1f);
              default -> dropout;
            },
            Activation.fromConfig(json.path("activation").asText("gelu")),
            optionalFloat(json, "initializer_range", 0.02f));
    return new EncoderModel.Family(
        config,
        NAMES,
        "distilbert",
        Head.Spec.dense("pre_classifier", Activation.RELU, false, "classifier"),
        Head.Spec.linear("classifier"),
        Head.Spec.linear("qa_outputs"),
        "DistilBert");
  }
}
