package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;

/**
 * Hyperparameters of a BERT-like encoder, read from config.json by each family.
 *
 * @param vocabularySize V
 * @param width C
 * @param layers L
 * @param heads H
 * @param intermediate F
 * @param positions rows of the position table
 * @param positionOffset position of a sequence's first token
 * @param types rows of the token type table; 0: the family has none
 * @param layerNormEps added to variances
 * @param hiddenDropout after embeddings and sub-layers
 * @param dropsAttentionOut whether attention is such a sub-layer, or the feed-forward block alone
 * @param attentionDropout on attention probabilities
 * @param classifierDropout before the last product of the head
 * @param activation of the feed-forward block
 * @param initializerRange standard deviation of new weights
 */
public record EncoderConfig(
    int vocabularySize,
    int width,
    int layers,
    int heads,
    int intermediate,
    int positions,
    int positionOffset,
    int types,
    float layerNormEps,
    float hiddenDropout,
    boolean dropsAttentionOut,
    float attentionDropout,
    float classifierDropout,
    Activation activation,
    float initializerRange) {

  public EncoderConfig {
    if (width % heads != 0) {
      throw new InputException(
          "config.json: the width " + width + " is not a multiple of the " + heads + " heads");
    }
  }

  /** D. */
  public int headSize() {
    return width / heads;
  }

  /** On the output of attention. */
  public float attentionOutDropout() {
    return dropsAttentionOut ? hiddenDropout : 0f;
  }

  /** The same with every dropout replaced. */
  public EncoderConfig withDropout(float probability) {
    return new EncoderConfig(
        vocabularySize,
        width,
        layers,
        heads,
        intermediate,
        positions,
        positionOffset,
        types,
        layerNormEps,
        probability,
        dropsAttentionOut,
        probability,
        probability,
        activation,
        initializerRange);
  }

  /** A required positive integer of config.json. */
  public static int requiredInt(JsonNode config, String key) {
    JsonNode value = config.get(key);
    if (value == null || !value.isInt() || value.intValue() < 1) {
      throw new InputException(
          "config.json: '"
              + key
              + "' is "
              + (value == null ? "absent" : value)
              + "; a positive integer is needed");
    }
    return value.intValue();
  }

  /** An optional number of config.json; null counts as absent. */
  public static float optionalFloat(JsonNode config, String key, float otherwise) {
    JsonNode value = config.get(key);
    if (value == null || value.isNull()) {
      return otherwise;
    }
    if (!value.isNumber()) {
      throw new InputException("config.json: '" + key + "' is " + value + ", not a number");
    }
    return value.floatValue();
  }
}
