package dev.attune.model.albert;

import dev.attune.core.InputException;
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
import java.util.ArrayList;
import java.util.List;

/**
 * ALBERT (Lan et al., 2020), as in Transformers' modeling_albert.py: BERT with narrow embeddings,
 * whose layers share their parameters in groups.
 */
public final class Albert {
  private static final Names NAMES =
      Names.of("albert", "encoder.albert_layer_groups.%s.")
          .with(Module.WORD, "embeddings.word_embeddings")
          .with(Module.POSITION, "embeddings.position_embeddings")
          .with(Module.TYPE, "embeddings.token_type_embeddings")
          .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
          .with(Module.EMBEDDING_PROJECTION, "encoder.embedding_hidden_mapping_in")
          .with(Module.QUERY, "attention.query")
          .with(Module.KEY, "attention.key")
          .with(Module.VALUE, "attention.value")
          .with(Module.ATTENTION_OUT, "attention.dense")
          .with(Module.ATTENTION_NORM, "attention.LayerNorm")
          .with(Module.UP, "ffn")
          .with(Module.DOWN, "ffn_output")
          .with(Module.FEED_FORWARD_NORM, "full_layer_layer_norm")
          .with(Module.VOCABULARY, "predictions.decoder")
          .with(Module.VOCABULARY_BIAS, "predictions");

  private Albert() {}

  /** Reads config.json of a model of type "albert". */
  public static Family family(FamilyConfig config) {
    config.ignore(
        "of the original program; Transformers does not read them",
        "down_scale_factor",
        "gap_size",
        "layers_to_keep",
        "net_structure_type",
        "num_memory_blocks");
    config.only("position_embedding_type", "absolute");
    int width = config.positive("hidden_size", 4096);
    int heads = config.positive("num_attention_heads", 64);
    int positions = config.positive("max_position_embeddings", 512);
    float dropout = config.dropout("hidden_dropout_prob", 0f);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 30_000), width, positions)
            .embeddings(
                Embeddings.ofWidth(config.positive("embedding_size", 128))
                    .positions(positions, 0)
                    .types(config.positive("type_vocab_size", 2))
                    .normalized()
                    .dropout(dropout)
                    .projected())
            .attention(
                Attention.bidirectional(
                        heads,
                        FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads))
                    .biases(true, true)
                    .dropouts(config.dropout("attention_probs_dropout_prob", 0f), dropout))
            .feedForward(
                FeedForward.plain(
                        config.positive("intermediate_size", 16_384),
                        config.activation("hidden_act", "gelu_new"))
                    .bias(true))
            .norms(Norms.layerNorm(Place.AFTER, config.number("layer_norm_eps", 1e-12f)))
            .layers(layers(config))
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    float headDropout = config.dropout("classifier_dropout_prob", 0.1f);
    return new Family(body, NAMES)
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier")
                .dense("albert.pooler", Activation.TANH)
                .dropout(headDropout))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(headDropout))
        .head(HeadKind.SPAN, Head.Spec.linear("qa_outputs"))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary(
                    "predictions.dense", config.activation("hidden_act", "gelu_new"))
                .norm("predictions.LayerNorm"));
  }

  /** Each layer runs the blocks of its group, one after the other. */
  private static List<Layer> layers(FamilyConfig config) {
    int count = config.layers("num_hidden_layers", 12);
    int groups = config.positive("num_hidden_groups", 1);
    int inner = config.integer("inner_group_num", 1, 1, FamilyConfig.MOST_LAYERS / count);
    if (groups > count) {
      throw new InputException(
          "config.json: 'num_hidden_groups' is " + groups + ", of " + count + " layers");
    }
    List<Layer> layers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int group = (int) (i / ((double) count / groups));
      for (int block = 0; block < inner; block++) {
        layers.add(Layer.named(group + ".albert_layers." + block));
      }
    }
    return layers;
  }
}
