package dev.attune.model.nomicbert;

import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
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
import dev.attune.model.bert.Bert;
import java.util.stream.IntStream;

/**
 * NomicBERT (Nussbaum et al., 2024), as in Transformers' modeling_nomic_bert.py: BERT's layers with
 * rotary positions, gated feed-forward parts and no bias in them. Its published folders have the
 * keys and the names of the program that made them; both are read.
 */
public final class NomicBert {
  private static final Rotary.Defaults ROTARY =
      new Rotary.Defaults(1000, "rope_theta", Double.NaN, null);

  private static final Names ORIGINAL =
      Names.of("bert", "encoder.layers.%s.")
          .with(Module.WORD, "embeddings.word_embeddings")
          .with(Module.TYPE, "embeddings.token_type_embeddings")
          .with(Module.EMBEDDING_NORM, "emb_ln")
          .with(Module.QUERY_KEY_VALUE, "attn.Wqkv")
          .with(Module.ATTENTION_OUT, "attn.out_proj")
          .with(Module.ATTENTION_NORM, "norm1")
          .with(Module.GATE, "mlp.fc12")
          .with(Module.UP, "mlp.fc11")
          .with(Module.DOWN, "mlp.fc2")
          .with(Module.FEED_FORWARD_NORM, "norm2");

  private static final Names NAMES =
      Bert.predicting(
          Names.of("nomic_bert", "layers.%s.")
              .with(Module.WORD, "embeddings.word_embeddings")
              .with(Module.TYPE, "embeddings.token_type_embeddings")
              .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
              .with(Module.QUERY, "self_attn.q_proj")
              .with(Module.KEY, "self_attn.k_proj")
              .with(Module.VALUE, "self_attn.v_proj")
              .with(Module.ATTENTION_OUT, "self_attn.o_proj")
              .with(Module.ATTENTION_NORM, "post_attention_layernorm")
              .with(Module.GATE, "mlp.gate_proj")
              .with(Module.UP, "mlp.up_proj")
              .with(Module.DOWN, "mlp.down_proj")
              .with(Module.FEED_FORWARD_NORM, "post_mlp_layernorm")
              .original(ORIGINAL));

  private NomicBert() {}

  /** Reads config.json of a model of type "nomic_bert". */
  public static Family family(FamilyConfig config) {
    readOriginalKeys(config);
    config.orNull("head_dim", "intermediate_size", "classifier_dropout");
    int width = config.positive("hidden_size", 768);
    int heads = config.positive("num_attention_heads", 12);
    int headSize =
        config.value("head_dim") == null
            ? FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads)
            : config.positive("head_dim", 1);
    int positions = config.reach("max_position_embeddings", 2048);
    Rotary rotary = Rotary.fromConfig(config, headSize, positions, ROTARY);
    float dropout = config.dropout("hidden_dropout_prob", 0f);
    Activation activation = config.activation("hidden_act", activation(config));
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 30_528), width, positions)
            .embeddings(
                Embeddings.ofWidth(width)
                    .types(config.positive("type_vocab_size", 2))
                    .normalized()
                    .dropout(
                        config.dropout("embd_pdrop", config.number("hidden_dropout_prob", 0f))))
            .attention(
                Attention.bidirectional(heads, headSize)
                    .dropouts(config.dropout("attention_probs_dropout_prob", 0f), dropout))
            .feedForward(
                FeedForward.gated(
                        config.positive("intermediate_size", intermediate(config, width)),
                        activation)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.AFTER, config.number("layer_norm_eps", 1e-12f)))
            .layers(
                IntStream.range(0, config.layers("num_hidden_layers", 12))
                    .mapToObj(i -> Layer.named(i).rotary(rotary))
                    .toList())
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    float classifierDropout =
        config.dropout("classifier_dropout", config.number("hidden_dropout_prob", 0f));
    return new Family(body, NAMES)
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier")
                .dense("nomic_bert.pooler.dense", Activation.TANH)
                .dropout(classifierDropout))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(classifierDropout))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary("cls.predictions.transform.dense", activation)
                .norm("cls.predictions.transform.layer_norm"));
  }

  /** The keys of the original program, of which other values would make another model. */
  private static void readOriginalKeys(FamilyConfig config) {
    config
        .alias("hidden_size", "n_embd")
        .alias("num_hidden_layers", "n_layer")
        .alias("num_attention_heads", "n_head")
        .alias("intermediate_size", "n_inner")
        .alias("max_position_embeddings", "n_positions")
        .alias("layer_norm_eps", "layer_norm_epsilon")
        .alias("hidden_dropout_prob", "resid_pdrop")
        .alias("attention_probs_dropout_prob", "attn_pdrop")
        .alias("rope_theta", "rotary_emb_base")
        .only("rotary_emb_fraction", 1)
        .only("rotary_emb_interleaved", false)
        .onlyEmpty("rotary_emb_scale_base")
        .onlyEmpty("rotary_scaling_factor")
        .only("qkv_proj_bias", false)
        .only("mlp_fc1_bias", false)
        .only("mlp_fc2_bias", false)
        .only("prenorm", false)
        .only("use_rms_norm", false)
        .only("parallel_block", false)
        .only("causal", false)
        .only("scale_attn_weights", true)
        .only("scale_attn_by_inverse_layer_idx", false)
        .ignore("of parallel blocks", "parallel_block_tied_norm")
        .ignore("of longer texts where there is a rotary_scaling_factor", "max_trained_positions")
        .ignore(
            "how the original program computes the same numbers",
            "dense_seq_output",
            "fused_bias_fc",
            "fused_dropout_add_ln",
            "pad_vocab_size_multiple",
            "use_flash_attn",
            "use_xentropy")
        .ignore(
            "of a head that nobody trained",
            "summary_activation",
            "summary_first_dropout",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj");
  }

  /** The activation that the original program's name of the whole gated part stands for. */
  private static String activation(FamilyConfig config) {
    String part = config.text("activation_function", null);
    if (part == null) {
      return "silu";
    }
    String function =
        switch (part) {
          case "swiglu" -> "silu";
          case "geglu" -> "gelu";
          default ->
              throw new InputException(
                  "config.json: 'activation_function' is '"
                      + part
                      + "', which is not supported; swiglu and geglu are");
        };
    String stated = config.text("hidden_act", function);
    if (!stated.equals(function)) {
      throw new InputException(
          "config.json: 'activation_function' is '"
              + part
              + "', which has "
              + function
              + " in it, and 'hidden_act' is '"
              + stated
              + "'; take one of the two out");
    }
    return function;
  }

  /** F where n_inner is null, as in published folders of GPT-2's keys: four times the width. */
  private static int intermediate(FamilyConfig config, int width) {
    return config.isNull("n_inner") ? 4 * width : 3072;
  }
}
