package dev.attune.model.mpnet;

import dev.attune.core.InputException;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Names;
import dev.attune.model.Names.Module;
import dev.attune.model.RelativePositions;
import dev.attune.model.TransformerConfig;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import dev.attune.model.roberta.Roberta;
import java.util.stream.IntStream;

/**
 * MPNet (Song et al., 2020), as in Transformers' modeling_mpnet.py: BERT's layers with learned
 * positions and, in every layer's scores, a number by distance; no token types.
 */
public final class MpNet {
  /** Transformers' class takes 1 for the padding token, whatever pad_token_id says. */
  private static final int FIRST_POSITION = 2;

  /** Numbers that its class has no key for. */
  private static final int BUCKETS = 32;

  private static final int MAX_DISTANCE = 128;

  private static final Names NAMES =
      Names.of("mpnet", "encoder.layer.%s.")
          .with(Module.WORD, "embeddings.word_embeddings")
          .with(Module.POSITION, "embeddings.position_embeddings")
          .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
          .with(Module.RELATIVE_POSITION, "encoder.relative_attention_bias")
          .with(Module.QUERY, "attention.attn.q")
          .with(Module.KEY, "attention.attn.k")
          .with(Module.VALUE, "attention.attn.v")
          .with(Module.ATTENTION_OUT, "attention.attn.o")
          .with(Module.ATTENTION_NORM, "attention.LayerNorm")
          .with(Module.UP, "intermediate.dense")
          .with(Module.DOWN, "output.dense")
          .with(Module.FEED_FORWARD_NORM, "output.LayerNorm")
          .with(Module.VOCABULARY, "lm_head.decoder")
          .with(Module.VOCABULARY_BIAS, "lm_head");

  private MpNet() {}

  /** Reads config.json of a model of type "mpnet". */
  public static Family family(FamilyConfig config) {
    config.ignore("published files have it, the model's class does not", "type_vocab_size");
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int positions = config.positive("max_position_embeddings", 512);
    int rows = config.positive("relative_attention_num_buckets", BUCKETS);
    if (rows < BUCKETS) {
      throw new InputException(
          "config.json: 'relative_attention_num_buckets' is "
              + rows
              + "; distances fall into "
              + BUCKETS
              + " buckets, and each needs a row");
    }
    float dropout = config.dropout("hidden_dropout_prob", 0.1f);
    TransformerConfig body =
        TransformerConfig.of(
                config.positive("vocab_size", 30_527), width, positions - FIRST_POSITION)
            .embeddings(
                Embeddings.ofWidth(width)
                    .positions(positions, FIRST_POSITION)
                    .normalized()
                    .dropout(dropout))
            .attention(
                Attention.bidirectional(
                        heads,
                        FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads))
                    .biases(true, true)
                    .dropouts(config.dropout("attention_probs_dropout_prob", 0.1f), dropout))
            .relative(new RelativePositions(rows, BUCKETS, MAX_DISTANCE))
            .feedForward(
                FeedForward.plain(
                        config.positive("intermediate_size", 3072),
                        config.activation("hidden_act", "gelu"))
                    .bias(true)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.AFTER, config.number("layer_norm_eps", 1e-12f)))
            .layers(
                IntStream.range(0, config.layers("num_hidden_layers", 12))
                    .mapToObj(Layer::named)
                    .toList())
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return Roberta.withHeads(new Family(body, NAMES), dropout);
  }
}
