package dev.attune;

import dev.attune.task.TokenRow;
import java.util.Arrays;

/**
 * A sequence of token ids with what is to follow each of them, for {@link AdapterTrainer}.
 *
 * @param tokens ids (T), at least one
 * @param targets the token that is to follow each (T); {@link #NONE}: nothing is asked there
 * @param weights what each target counts in {@link LossFunction#crossEntropy} (T); else null
 * @param logprobs of each target by the model that it was sampled from (T), for the policy
 *     gradients; else null
 * @param advantages how much better than usual each target turned out to be (T), likewise
 */
public record TokenExample(
    int[] tokens, int[] targets, float[] weights, float[] logprobs, float[] advantages) {
  /** No target. */
  public static final int NONE = TokenRow.NONE;

  /**
   * @throws InvalidInputException if lengths differ, or a number is not finite
   */
  public TokenExample {
    int[] ids = tokens;
    int[] next = targets;
    float[] count = weights;
    float[] sampled = logprobs;
    float[] gain = advantages;
    Faults.translated(() -> new TokenRow(ids, next, count, sampled, gain)); // which checks them
  }

  /**
   * A prompt with its completion, each token of which is learned and counts alike.
   *
   * @param prompt at least one token
   * @param completion at least one token
   * @param weight of each token of the completion: 1, or what a mean divides by
   */
  public static TokenExample completion(int[] prompt, int[] completion, float weight) {
    int[] targets = targets(prompt, completion);
    float[] weights = new float[targets.length];
    Arrays.fill(weights, prompt.length - 1, targets.length, weight);
    return new TokenExample(tokens(prompt, completion), targets, weights, null, null);
  }

  /**
   * A prompt with a completion that the model has sampled.
   *
   * @param prompt at least one token
   * @param sampled as {@link AdapterTrainer#sample} gave it
   * @param advantage of each of its tokens
   */
  public static TokenExample sampled(int[] prompt, SampledTokens sampled, float advantage) {
    int[] targets = targets(prompt, sampled.tokens());
    float[] logprobs = new float[targets.length];
    float[] advantages = new float[targets.length];
    for (int i = 0; i < sampled.tokens().length; i++) {
      logprobs[prompt.length - 1 + i] = (float) sampled.logprobs()[i];
      advantages[prompt.length - 1 + i] = advantage;
    }
    return new TokenExample(tokens(prompt, sampled.tokens()), targets, null, logprobs, advantages);
  }

  /** All but the last, which nothing follows. */
  private static int[] tokens(int[] prompt, int[] completion) {
    if (prompt.length == 0 || completion.length == 0) {
      throw new InvalidInputException(
          "a prompt has "
              + prompt.length
              + " tokens and its completion "
              + completion.length
              + "; each needs at least one",
          null);
    }
    int[] all = Arrays.copyOf(prompt, prompt.length + completion.length - 1);
    System.arraycopy(completion, 0, all, prompt.length, completion.length - 1);
    return all;
  }

  private static int[] targets(int[] prompt, int[] completion) {
    int[] tokens = tokens(prompt, completion);
    int[] targets = new int[tokens.length];
    Arrays.fill(targets, NONE);
    System.arraycopy(completion, 0, targets, prompt.length - 1, completion.length);
    return targets;
  }

  /** A copy: arrays may change. */
  TokenRow row() {
    return new TokenRow(
        tokens.clone(), targets.clone(), copy(weights), copy(logprobs), copy(advantages));
  }

  private static float[] copy(float[] values) {
    return values == null ? null : values.clone();
  }
}
