package dev.attune.model.decoder;

import java.util.List;

/**
 * Hugging Face names of a decoder's modules; {@code %d} stands for the layer.
 *
 * @param position null where positions rotate
 * @param queryKeyValue one module, or three
 * @param queryNorm null where heads are not normalized; likewise keyNorm
 * @param gate null where the feed-forward block has none
 * @param head of the last product; unused where it is tied
 * @param conv1d whether products are stored as (in, out)
 * @param interleaved whether the one module of query, key and value goes head by head
 */
public record DecoderNames(
    String word,
    String position,
    String attentionNorm,
    List<String> queryKeyValue,
    String queryNorm,
    String keyNorm,
    String attentionOut,
    String feedForwardNorm,
    String gate,
    String up,
    String down,
    String finalNorm,
    String head,
    boolean conv1d,
    boolean interleaved) {

  /** The names of Llama and its relatives. */
  public static DecoderNames llamaLike() {
    String layer = "model.layers.%d.";
    return new DecoderNames(
        "model.embed_tokens",
        null,
        layer + "input_layernorm",
        List.of(layer + "self_attn.q_proj", layer + "self_attn.k_proj", layer + "self_attn.v_proj"),
        layer + "self_attn.q_norm",
        layer + "self_attn.k_norm",
        layer + "self_attn.o_proj",
        layer + "post_attention_layernorm",
        layer + "mlp.gate_proj",
        layer + "mlp.up_proj",
        layer + "mlp.down_proj",
        "model.norm",
        "lm_head",
        false,
        false);
  }
}
