package dev.attune.model.distilbert;

import dev.attune.kernels.Activation;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;
import dev.attune.model.Names;
import dev.attune.model.Names.Module;
import dev.attune.model.TransformerConfig;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import java.util.stream.IntStream;

/**
 * DistilBERT (Sanh et al., 2019), as in Transformers' modeling_distilbert.py: BERT without token
 * types, and without dropout on what attention gives.
 */
public final class DistilBert {
  private static final Names NAMES =
      Names.of("distilbert", "transformer.layer.%s.")
          .with(Module.WORD, "embeddings.word_embeddings")
          .with(Module.POSITION, "embeddings.position_embeddings")
          .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
          .with(Module.QUERY, "attention.q_lin")
          .with(Module.KEY, "attention.k_lin")
          .with(Module.VALUE, "attention.v_lin")
          .with(Module.ATTENTION_OUT, "attention.out_lin")
          .with(Module.ATTENTION_NORM, "sa_layer_norm")
          .with(Module.UP, "ffn.lin1")
          .with(Module.DOWN, "ffn.lin2")
          .with(Module.FEED_FORWARD_NORM, "output_layer_norm")
          .with(Module.VOCABULARY, "vocab_projector");

  private DistilBert() {}

  /** Reads config.json of a model of type "distilbert". */
  public static Family family(FamilyConfig config) {
    config
        .alias("dim", "hidden_size")
        .alias("n_heads", "num_attention_heads")
        .alias("n_layers", "num_hidden_layers")
        .ignore(
            "how the position table was filled once; the folder holds it", "sinusoidal_pos_embds")
        .ignore("how old programs tied weights; Transformers does not read it", "tie_weights_");
    int width = config.positive("dim", 768);
    int heads = config.positive("n_heads", 12);
    int positions = config.positive("max_position_embeddings", 512);
    float dropout = config.dropout("dropout", 0.1f);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 30_522), width, positions)
            .embeddings(
                Embeddings.ofWidth(width).positions(positions, 0).normalized().dropout(dropout))
            .attention(
                Attention.bidirectional(
                        heads, FamilyConfig.headSize("dim", width, "n_heads", heads))
                    .biases(true, true)
                    .dropouts(config.dropout("attention_dropout", 0.1f), 0f))
            .feedForward(
                FeedForward.plain(
                        config.positive("hidden_dim", 3072),
                        config.activation("activation", "gelu"))
                    .bias(true)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.AFTER, 1e-12f))
            .layers(
                IntStream.range(0, config.layers("n_layers", 6)).mapToObj(Layer::named).toList())
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return new Family(body, NAMES)
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier")
                .dense("pre_classifier", Activation.RELU)
                .dropout(config.dropout("seq_classif_dropout", 0.2f)))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(dropout))
        .head(
            HeadKind.SPAN,
            Head.Spec.linear("qa_outputs").dropout(config.dropout("qa_dropout", 0.1f)))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary("vocab_transform", config.activation("activation", "gelu"))
                .norm("vocab_layer_norm"));
  }
}
