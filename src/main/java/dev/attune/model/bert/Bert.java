package dev.attune.model.bert;

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

/** BERT (Devlin et al., 2018), as in Transformers' modeling_bert.py. */
public final class Bert {
  private Bert() {}

  /** Reads config.json of a model of type "bert". */
  public static Family family(FamilyConfig config) {
    int width = config.positive("hidden_size", 768);
    Embeddings embeddings =
        Embeddings.ofWidth(width).positions(config.positive("max_position_embeddings", 512), 0);
    return headed("bert", config, width, embeddings, names("bert"));
  }

  /**
   * A relative with BERT's layers and heads.
   *
   * @param body what its class calls the body
   */
  public static Family headed(
      String body, FamilyConfig config, int width, Embeddings embeddings, Names names) {
    float dropout = classifierDropout(config);
    return new Family(body(config, 30_522, width, 12, 3072, embeddings), predicting(names))
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier")
                .dense(body + ".pooler.dense", Activation.TANH)
                .dropout(dropout))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(dropout))
        .head(HeadKind.SPAN, Head.Spec.linear("qa_outputs"))
        .head(HeadKind.MASKED_LANGUAGE_MODEL, predictions(config));
  }

  /** Names with those of the last product of BERT's masked language model. */
  public static Names predicting(Names names) {
    return names
        .with(Module.VOCABULARY, "cls.predictions.decoder")
        .with(Module.VOCABULARY_BIAS, "cls.predictions");
  }

  /** What BERT's masked language model has before its last product. */
  public static Head.Spec predictions(FamilyConfig config) {
    return Head.Spec.beforeVocabulary(
            "cls.predictions.transform.dense", config.activation("hidden_act", "gelu"))
        .norm("cls.predictions.transform.LayerNorm");
  }

  /**
   * The body of BERT and of those that share its keys: post-norm, biases throughout, bidirectional
   * unless is_decoder says otherwise.
   *
   * @param vocabulary V where the config is silent; likewise heads and intermediate
   * @param embeddings with their positions; types, norm and dropout are added
   */
  public static TransformerConfig body(
      FamilyConfig config,
      int vocabulary,
      int width,
      int heads,
      int intermediate,
      Embeddings embeddings) {
    // Transformers 5 has no other kind; folders of version 4 may.
    config.only("position_embedding_type", "absolute");
    config.ignore(
        "of the original program; Transformers does not read them",
        "directionality",
        "pooler_fc_size",
        "pooler_num_attention_heads",
        "pooler_num_fc_layers",
        "pooler_size_per_head",
        "pooler_type");
    int H = config.positive("num_attention_heads", heads);
    int D = FamilyConfig.headSize("hidden_size", width, "num_attention_heads", H);
    // Half of an encoder and decoder made of two BERTs, or left so by mistake.
    boolean isCausal = config.orNull("is_decoder").flag("is_decoder", false);
    float dropout = config.dropout("hidden_dropout_prob", 0.1f);
    return TransformerConfig.of(
            config.positive("vocab_size", vocabulary),
            width,
            embeddings.positions() - embeddings.positionOffset())
        .embeddings(
            embeddings.types(config.positive("type_vocab_size", 2)).normalized().dropout(dropout))
        .attention(
            (isCausal ? Attention.causal(H, D) : Attention.bidirectional(H, D))
                .biases(true, true)
                .dropouts(config.dropout("attention_probs_dropout_prob", 0.1f), dropout))
        .feedForward(
            FeedForward.plain(
                    config.positive("intermediate_size", intermediate),
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
  }

  /** The dropout of the heads: that of the body where nothing else is said. */
  public static float classifierDropout(FamilyConfig config) {
    return config
        .orNull("classifier_dropout")
        .dropout("classifier_dropout", config.number("hidden_dropout_prob", 0.1f));
  }

  /** The names of a body that is called so, as BERT has them. */
  public static Names names(String body) {
    return Names.of(body, "encoder.layer.%s.")
        .with(Module.WORD, "embeddings.word_embeddings")
        .with(Module.POSITION, "embeddings.position_embeddings")
        .with(Module.TYPE, "embeddings.token_type_embeddings")
        .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
        .with(Module.QUERY, "attention.self.query")
        .with(Module.KEY, "attention.self.key")
        .with(Module.VALUE, "attention.self.value")
        .with(Module.ATTENTION_OUT, "attention.output.dense")
        .with(Module.ATTENTION_NORM, "attention.output.LayerNorm")
        .with(Module.UP, "intermediate.dense")
        .with(Module.DOWN, "output.dense")
        .with(Module.FEED_FORWARD_NORM, "output.LayerNorm");
  }
}
