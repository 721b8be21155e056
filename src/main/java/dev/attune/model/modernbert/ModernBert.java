package dev.attune.model.modernbert;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.Head.Pooling;
import dev.attune.model.HeadKind;
import dev.attune.model.Names;
import dev.attune.model.Names.Module;
import dev.attune.model.Rotary;
import dev.attune.model.TransformerConfig;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * ModernBERT (Warner et al., 2024), as in Transformers' modeling_modernbert.py: an encoder with
 * norms before sub-layers, rotary positions, gated feed-forward parts and hardly a bias. Most
 * layers see a window around each token, and turn heads faster than the few that see all.
 */
public final class ModernBert {
  private static final String FULL = "full_attention";
  private static final String SLIDING = "sliding_attention";

  private static final Names NAMES =
      Names.of("model", "layers.%s.")
          .with(Module.WORD, "embeddings.tok_embeddings")
          .with(Module.EMBEDDING_NORM, "embeddings.norm")
          .with(Module.ATTENTION_NORM, "attn_norm")
          .with(Module.QUERY_KEY_VALUE, "attn.Wqkv")
          .with(Module.ATTENTION_OUT, "attn.Wo")
          .with(Module.FEED_FORWARD_NORM, "mlp_norm")
          .with(Module.GATE_UP, "mlp.Wi")
          .with(Module.DOWN, "mlp.Wo")
          .with(Module.FINAL_NORM, "final_norm")
          .with(Module.VOCABULARY, "decoder");

  private ModernBert() {}

  /** Reads config.json of a model of type "modernbert". */
  public static Family family(FamilyConfig config) {
    config
        .ignore(
            "which rows meet the vocabulary where there are labels: those that are masked, here"
                + " always",
            "sparse_prediction",
            "sparse_pred_ignore_index")
        .ignore("published files have them, the model's class does not", "layer_norm_eps")
        .ignore("likewise; positions are rotary", "position_embedding_type")
        .ignore("how Transformers makes new weights", "initializer_cutoff_factor")
        .ignore("how an earlier Transformers computes", "repad_logits_with_grad");
    // Dropout between the gate and the last product of the feed-forward part.
    config.only("mlp_dropout", 0);
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    float attentionDropout = config.dropout("attention_dropout", 0f);
    boolean attentionBias = config.flag("attention_bias", false);
    Norms norms =
        Norms.layerNorm(Place.BEFORE, config.number("norm_eps", 1e-5f))
            .bias(config.flag("norm_bias", false));
    int positions = config.reach("max_position_embeddings", 8192);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 50_368), width, positions)
            .embeddings(
                Embeddings.ofWidth(width)
                    .normalized()
                    .dropout(config.dropout("embedding_dropout", 0f)))
            .attention(
                Attention.bidirectional(
                        heads,
                        FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads))
                    .biases(attentionBias, attentionBias)
                    .dropouts(attentionDropout, attentionDropout))
            .feedForward(
                FeedForward.gated(
                        config.positive("intermediate_size", 1152),
                        config.activation("hidden_activation", "gelu"))
                    .bias(config.flag("mlp_bias", false)))
            .norms(norms)
            .layers(
                layers(
                    config,
                    FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads),
                    positions))
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    Activation activation = config.activation("classifier_activation", "gelu");
    boolean denseBias = config.flag("classifier_bias", false);
    Head.Spec head =
        Head.Spec.linear("classifier")
            .dense("head.dense", activation)
            .denseBias(denseBias)
            .norm("head.norm")
            .dropout(config.dropout("classifier_dropout", 0f));
    return new Family(body, NAMES)
        .head(HeadKind.SEQUENCE, head.pooling(pooling(config)))
        .head(HeadKind.TOKEN, head)
        .head(HeadKind.SPAN, head)
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary("head.dense", activation)
                .outBias(config.flag("decoder_bias", true))
                .denseBias(denseBias)
                .norm("head.norm"));
  }

  /** Every third layer sees all; the others see half of local_attention to either side. */
  private static List<Layer> layers(FamilyConfig config, int headSize, int positions) {
    int count = config.layers("num_hidden_layers", 22);
    int every = config.reach("global_attn_every_n_layers", 3);
    boolean[] stated = config.slidingLayers(count);
    int window = config.reach("local_attention", 128) / 2 + 1;
    Rotary far = rotary(config, FULL, "global_rope_theta", 160_000, headSize, positions);
    Rotary near = rotary(config, SLIDING, "local_rope_theta", 10_000, headSize, positions);
    return IntStream.range(0, count)
        .mapToObj(
            i -> {
              boolean sliding = stated == null ? i % every != 0 : stated[i];
              Layer layer =
                  Layer.named(i).rotary(sliding ? near : far).window(sliding ? window : 0);
              // The embeddings end in a norm.
              return i == 0 ? layer.withoutFirstNorm() : layer;
            })
        .toList();
  }

  /** The parameters of a kind of layer; those of rope_scaling, where it is there, are of both. */
  private static Rotary rotary(
      FamilyConfig config,
      String kind,
      String thetaKey,
      double defaultTheta,
      int headSize,
      int positions) {
    JsonNode parameters = config.object("rope_parameters");
    if (parameters != null) {
      parameters
          .fieldNames()
          .forEachRemaining(
              key -> {
                if (!Set.of(FULL, SLIDING).contains(key)) {
                  throw new InputException(
                      "config.json: '" + key + "' of rope_parameters is not a kind of layer");
                }
              });
    }
    config.onlyEmpty("rope_scaling");
    JsonNode own = parameters == null ? null : parameters.get(kind);
    double theta = config.number(thetaKey, (float) defaultTheta);
    return Rotary.of(own, headSize, theta, positions);
  }

  private static Pooling pooling(FamilyConfig config) {
    String pooling = config.text("classifier_pooling", "cls");
    return switch (pooling) {
      case "cls" -> Pooling.FIRST;
      case "mean" -> Pooling.MEAN;
      default ->
          throw new InputException(
              "config.json: 'classifier_pooling' is '" + pooling + "'; allowed are cls and mean");
    };
  }
}
