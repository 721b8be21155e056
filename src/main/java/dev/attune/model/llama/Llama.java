package dev.attune.model.llama;

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
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * Llama 1 to 3 (Touvron et al., 2023), as in Transformers' modeling_llama.py, and what its
 * relatives share with it.
 */
public final class Llama {
  private static final Names NAMES =
      Names.of("model", "layers.%s.")
          .with(Module.WORD, "embed_tokens")
          .with(Module.ATTENTION_NORM, "input_layernorm")
          .with(Module.QUERY, "self_attn.q_proj")
          .with(Module.KEY, "self_attn.k_proj")
          .with(Module.VALUE, "self_attn.v_proj")
          .with(Module.QUERY_NORM, "self_attn.q_norm")
          .with(Module.KEY_NORM, "self_attn.k_norm")
          .with(Module.ATTENTION_OUT, "self_attn.o_proj")
          .with(Module.FEED_FORWARD_NORM, "post_attention_layernorm")
          .with(Module.GATE, "mlp.gate_proj")
          .with(Module.UP, "mlp.up_proj")
          .with(Module.DOWN, "mlp.down_proj")
          .with(Module.FINAL_NORM, "norm")
          .with(Module.VOCABULARY, "lm_head");

  private Llama() {}

  /** What Hugging Face calls its tensors. */
  public static Names names() {
    return NAMES;
  }

  /**
   * What relatives take for keys that are absent.
   *
   * @param vocabulary V
   * @param intermediate F
   * @param positions the longest sequence
   * @param keyValueHeads Hkv; 0: as many as there are heads
   * @param headSize D; 0: an even share of the width
   */
  public record Defaults(
      int vocabulary, int intermediate, int positions, int keyValueHeads, int headSize) {}

  /** Reads config.json of a model of type "llama". */
  public static Family family(FamilyConfig config) {
    boolean bias = config.flag("attention_bias", false);
    return family(
        config,
        new Defaults(32_000, 11_008, 2048, 0, 0),
        attention -> attention.biases(bias, bias),
        config.flag("mlp_bias", false),
        new int[layers(config)]);
  }

  /** L. */
  public static int layers(FamilyConfig config) {
    return config.layers("num_hidden_layers", 32);
  }

  /**
   * Reads config.json of a relative.
   *
   * @param switches of its attention
   * @param mlpBias whether the products of the feed-forward part have biases
   * @param windows (L) how many rows a row of each layer sees; 0: all before it
   */
  public static Family family(
      FamilyConfig config,
      Defaults absent,
      UnaryOperator<Attention> switches,
      boolean mlpBias,
      int[] windows) {
    config
        .only("rope_interleaved", false)
        .ignore("says what the class is", "is_llama_config")
        .orNull("num_key_value_heads", "attention_dropout");
    if (absent.headSize == 0) {
      config.orNull("head_dim");
    }
    int width = config.positive("hidden_size", 4096);
    int heads = config.positive("num_attention_heads", 32);
    int keyValueHeads =
        absent.keyValueHeads == 0 || config.isNull("num_key_value_heads")
            ? heads
            : absent.keyValueHeads;
    int headSize =
        absent.headSize == 0 && config.value("head_dim") == null
            ? FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads)
            : config.positive("head_dim", absent.headSize);
    int positions = config.reach("max_position_embeddings", absent.positions);
    Rotary rotary = Rotary.fromConfig(config, headSize, positions, Rotary.Defaults.LLAMA);
    Attention attention =
        Attention.causal(heads, headSize)
            .keyValueHeads(config.positive("num_key_value_heads", keyValueHeads))
            .dropouts(config.dropout("attention_dropout", 0f), 0f);
    TransformerConfig body =
        TransformerConfig.of(config.positive("vocab_size", absent.vocabulary), width, positions)
            .attention(switches.apply(attention))
            .feedForward(
                FeedForward.gated(
                        config.positive("intermediate_size", absent.intermediate),
                        config.activation("hidden_act", "silu"))
                    .bias(mlpBias))
            .norms(Norms.rms(Place.BEFORE, config.number("rms_norm_eps", 1e-6f)))
            .layers(
                IntStream.range(0, windows.length)
                    .mapToObj(i -> Layer.named(i).rotary(rotary).window(windows[i]))
                    .toList())
            .tied(config.flag("tie_word_embeddings", false))
            .initializerRange(config.number("initializer_range", 0.02f))
            .build();
    return new Family(body, NAMES).head(HeadKind.SEQUENCE, Head.Spec.score());
  }
}
