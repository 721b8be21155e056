package dev.attune.model.gptneox;

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
import java.util.stream.IntStream;

/** GPT-NeoX and Pythia (Black et al., 2022), as in Transformers' modeling_gpt_neox.py. */
public final class GptNeox {
  private static final Rotary.Defaults ROTARY =
      new Rotary.Defaults(10_000, "rotary_emb_base", 0.25, "rotary_pct");

  private static final Names NAMES =
      Names.of("gpt_neox", "layers.%s.")
          .headByHead()
          .with(Module.WORD, "embed_in")
          .with(Module.ATTENTION_NORM, "input_layernorm")
          .with(Module.QUERY_KEY_VALUE, "attention.query_key_value")
          .with(Module.ATTENTION_OUT, "attention.dense")
          .with(Module.FEED_FORWARD_NORM, "post_attention_layernorm")
          .with(Module.UP, "mlp.dense_h_to_4h")
          .with(Module.DOWN, "mlp.dense_4h_to_h")
          .with(Module.FINAL_NORM, "final_layer_norm")
          .with(Module.VOCABULARY, "lm_head")
          .vocabularyStoredAs("embed_out");

  private GptNeox() {}

  /** Reads config.json of a model of type "gpt_neox". */
  public static Family family(FamilyConfig config) {
    config.ignore("of the head on tokens, which a decoder does not get", "classifier_dropout");
    int width = config.positive("hidden_size", 6144);
    int heads = config.positive("num_attention_heads", 64);
    int headSize = FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads);
    int positions = config.reach("max_position_embeddings", 2048);
    Rotary rotary = Rotary.fromConfig(config, headSize, positions, ROTARY);
    boolean bias = config.flag("attention_bias", true);
    float dropout = config.dropout("hidden_dropout", 0f);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", 50_432), width, positions)
            .embeddings(Embeddings.ofWidth(width).dropout(dropout))
            .attention(
                Attention.causal(heads, headSize)
                    .biases(bias, bias)
                    .dropouts(config.dropout("attention_dropout", 0f), dropout))
            .feedForward(
                FeedForward.plain(
                        config.positive("intermediate_size", 24_576),
                        config.activation("hidden_act", "gelu"))
                    .bias(true)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.BEFORE, config.number("layer_norm_eps", 1e-5f)))
            .layers(
                IntStream.range(0, config.layers("num_hidden_layers", 44))
                    .mapToObj(i -> Layer.named(i).rotary(rotary))
                    .toList())
            .parallel(config.flag("use_parallel_residual", true))
            .tied(config.flag("tie_word_embeddings", false))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return new Family(body, NAMES).head(HeadKind.SEQUENCE, Head.Spec.score());
  }
}
