package dev.attune.model.eurobert;

import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.Head.Pooling;
import dev.attune.model.HeadKind;
import dev.attune.model.Rotary;
import dev.attune.model.TransformerConfig;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import dev.attune.model.llama.Llama;
import java.util.stream.IntStream;

/**
 * EuroBERT (Boizard et al., 2025), as in Transformers' modeling_eurobert.py: Llama's layers, in
 * which every row sees its whole sequence.
 */
public final class EuroBert {
  private EuroBert() {}

  /** Reads config.json of a model of type "eurobert". */
  public static Family family(FamilyConfig config) {
    config.orNull("head_dim", "num_key_value_heads");
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int share = FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads);
    int headSize = config.positive("head_dim", share);
    boolean bias = config.flag("attention_bias", false);
    boolean mlpBias = config.flag("mlp_bias", false);
    int positions = config.reach("max_position_embeddings", 8192);
    Rotary rotary = Rotary.fromConfig(config, headSize, positions, Rotary.Defaults.LLAMA);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 128_256), width, positions)
            .attention(
                Attention.bidirectional(heads, headSize)
                    .keyValueHeads(config.positive("num_key_value_heads", heads))
                    .biases(bias, bias)
                    .dropouts(config.dropout("attention_dropout", 0f), 0f))
            .feedForward(
                FeedForward.gated(
                        config.positive("intermediate_size", 3072),
                        config.activation("hidden_act", "silu"))
                    .bias(mlpBias))
            .norms(Norms.rms(Place.BEFORE, config.number("rms_norm_eps", 1e-5f)))
            .layers(
                IntStream.range(0, config.layers("num_hidden_layers", 12))
                    .mapToObj(i -> Layer.named(i).rotary(rotary))
                    .toList())
            .tied(config.flag("tie_word_embeddings", false))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return new Family(body, Llama.names())
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier").dense("dense", Activation.GELU).pooling(pooling(config)))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier"))
        .head(HeadKind.MASKED_LANGUAGE_MODEL, Head.Spec.linear(null).outBias(mlpBias));
  }

  private static Pooling pooling(FamilyConfig config) {
    String pooling = config.text("classifier_pooling", "late");
    return switch (pooling) {
      case "bos" -> Pooling.FIRST;
      case "mean" -> Pooling.MEAN;
      case "late" -> Pooling.LATE;
      default ->
          throw new InputException(
              "config.json: 'classifier_pooling' is '"
                  + pooling
                  + "'; allowed are bos, mean and late");
    };
  }
}
