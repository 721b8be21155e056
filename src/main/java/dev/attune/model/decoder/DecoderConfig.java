package dev.attune.model.decoder;

import dev.attune.core.InputException;
import dev.attune.kernels.Activation;

/**
 * Hyperparameters of a decoder, read from config.json by each family.
 *
 * @param vocabularySize V
 * @param width C
 * @param positions the longest sequence
 * @param attention of every layer
 * @param feedForward of every layer
 * @param norm of every layer
 * @param rotary null: positions are learned
 * @param windows (L) per layer, how many rows a row sees; 0: all before it
 * @param parallelResidual attention and feed-forward read the same input (Wang and Komatsuzaki,
 *     GPT-J, 2021)
 * @param tied the last product shares the word embedding
 * @param embeddingDropout after the embedding
 * @param residualDropout after each sub-layer
 * @param initializerRange standard deviation of new weights
 */
public record DecoderConfig(
    int vocabularySize,
    int width,
    int positions,
    Attention attention,
    FeedForward feedForward,
    Norm norm,
    Rotary rotary,
    int[] windows,
    boolean parallelResidual,
    boolean tied,
    float embeddingDropout,
    float residualDropout,
    float initializerRange) {

  /**
   * @param heads H
   * @param keyValueHeads Hkv
   * @param headSize D
   * @param bias of query, key and value
   * @param outBias of the product after
   * @param headNorm whether query and key heads are normalized (Dehghani et al., 2023)
   * @param dropout on probabilities
   */
  public record Attention(
      int heads,
      int keyValueHeads,
      int headSize,
      boolean bias,
      boolean outBias,
      boolean headNorm,
      float dropout) {
    public Attention {
      if (heads % keyValueHeads != 0) {
        throw new InputException(
            "config.json: "
                + heads
                + " heads are not a multiple of the "
                + keyValueHeads
                + " key/value heads");
      }
    }
  }

  /**
   * @param width F
   * @param gated whether a gate multiplies the hidden values (Shazeer, 2020)
   */
  public record FeedForward(int width, Activation activation, boolean gated, boolean bias) {}

  /**
   * @param rms root mean square norm instead of layer norm
   */
  public record Norm(boolean rms, float eps) {}

  /** L. */
  public int layers() {
    return windows.length;
  }

  /** The same without a last product that shares the embedding: for classification. */
  DecoderConfig untied() {
    return new DecoderConfig(
        vocabularySize,
        width,
        positions,
        attention,
        feedForward,
        norm,
        rotary,
        windows,
        parallelResidual,
        false,
        embeddingDropout,
        residualDropout,
        initializerRange);
  }

  /**
   * On what a layer adds to the stream, where that is the output of one sub-layer: parallel
   * sub-layers have masks of their own.
   */
  float branchDropout() {
    return parallelResidual ? 0f : residualDropout;
  }

  /** The same with every dropout replaced; models with a root mean square norm have one alone. */
  public DecoderConfig withDropout(float probability) {
    Attention a = attention;
    float besideAttention = norm.rms ? 0f : probability;
    return new DecoderConfig(
        vocabularySize,
        width,
        positions,
        new Attention(
            a.heads, a.keyValueHeads, a.headSize, a.bias, a.outBias, a.headNorm, probability),
        feedForward,
        norm,
        rotary,
        windows,
        parallelResidual,
        tied,
        besideAttention,
        besideAttention,
        initializerRange);
  }
}
