package dev.attune;

/**
 * A text that a model has sampled.
 *
 * @param tokens without the prompt; one that ended the text is the last
 * @param logprobs of each token by the model, at temperature 1 among all tokens, whatever was asked
 *     for
 * @param finishReason why it ended
 */
public record SampledTokens(int[] tokens, double[] logprobs, FinishReason finishReason) {}
