package dev.attune.model.gpt2;

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

/** GPT-2 (Radford et al., 2019), as in Transformers' modeling_gpt2.py. */
public final class Gpt2 {
  private static final Names NAMES =
      Names.of("transformer", "h.%s.")
          .conv1d()
          .with(Module.WORD, "wte")
          .with(Module.POSITION, "wpe")
          .with(Module.ATTENTION_NORM, "ln_1")
          .with(Module.QUERY_KEY_VALUE, "attn.c_attn")
          .with(Module.ATTENTION_OUT, "attn.c_proj")
          .with(Module.FEED_FORWARD_NORM, "ln_2")
          .with(Module.UP, "mlp.c_fc")
          .with(Module.DOWN, "mlp.c_proj")
          .with(Module.FINAL_NORM, "ln_f")
          .with(Module.VOCABULARY, "lm_head");

  private Gpt2() {}

  /** Reads config.json of a model of type "gpt2". */
  public static Family family(FamilyConfig config) {
    config
        .alias("n_embd", "hidden_size")
        .alias("n_head", "num_attention_heads")
        .alias("n_layer", "num_hidden_layers")
        .alias("n_positions", "max_position_embeddings")
        .ignore("the length of the causal mask once; positions limit it", "n_ctx")
        .ignore(
            "of the head for multiple choice",
            "summary_type",
            "summary_use_proj",
            "summary_activation",
            "summary_proj_to_labels",
            "summary_first_dropout");
    config.orNull("n_inner");
    int width = config.positive("n_embd", 768);
    int heads = config.positive("n_head", 12);
    int positions = config.positive("n_positions", 1024);
    int headSize = FamilyConfig.headSize("n_embd", width, "n_head", heads);
    // Mistral's GPT-2s (Stanford CRFM) divide by the number of the layer too. Their
    // reorder_and_upcast_attn says in which type a program computes scores; here they are f32 in
    // any case.
    double scale = config.flag("scale_attn_weights", true) ? 1 / Math.sqrt(headSize) : 1;
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    float dropout = config.dropout("resid_pdrop", 0.1f);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 50_257), width, positions)
            .embeddings(
                Embeddings.ofWidth(width)
                    .positions(positions, 0)
                    .dropout(config.dropout("embd_pdrop", 0.1f)))
            .attention(
                Attention.causal(heads, headSize)
                    .biases(true, true)
                    .dropouts(config.dropout("attn_pdrop", 0.1f), dropout))
            .feedForward(
                FeedForward.plain(
                        config.positive("n_inner", 4 * width),
                        config.activation("activation_function", "gelu_new"))
                    .bias(true)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.BEFORE, config.number("layer_norm_epsilon", 1e-5f)))
            .layers(
                IntStream.range(0, config.layers("n_layer", 12))
                    .mapToObj(i -> Layer.named(i).scoreScale(byLayer ? scale / (i + 1) : scale))
                    .toList())
            .tied(config.flag("tie_word_embeddings", true))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return new Family(body, NAMES).head(HeadKind.SEQUENCE, Head.Spec.score());
  }
}
