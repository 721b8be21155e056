package dev.attune.generate;

import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * How probable a model finds a token that was chosen, and the most probable ones at its place:
 * natural logarithms of the softmax of its logits, before temperature, penalties and what narrows
 * the choice.
 *
 * @param token id
 * @param logprob of the token
 * @param topTokens ids of the most probable tokens, most probable first; of equal ones the smaller
 *     id first. The chosen one is among them where it is as probable
 * @param topLogprobs of each
 */
public record TokenLogprobs(int token, double logprob, int[] topTokens, double[] topLogprobs) {
  /** As many as can be asked for: what OpenAI's interface allows. */
  public static final int MOST = 20;

  /**
   * Those of a token.
   *
   * @param logits of a vocabulary of V tokens from {@code first} on; the buffer's position is left
   *     alone
   * @param top alternatives wanted, fewer where the vocabulary has fewer
   */
  static TokenLogprobs of(FloatBuffer logits, int first, int V, int token, int top) {
    double normalizer = logSumExp(logits, first, V);
    int count = Math.min(top, V);
    int[] ids = new int[count];
    double[] logprobs = new double[count];
    int found = 0;
    for (int id = 0; id < V && count > 0; id++) {
      double logprob = logits.get(first + id) - normalizer;
      if (found == count && logprob <= logprobs[count - 1]) {
        continue;
      }
      int at = found < count ? found++ : count - 1;
      while (at > 0 && logprobs[at - 1] < logprob) {
        ids[at] = ids[at - 1];
        logprobs[at] = logprobs[at - 1];
        at--;
      }
      ids[at] = id;
      logprobs[at] = logprob;
    }
    return new TokenLogprobs(token, logits.get(first + token) - normalizer, ids, logprobs);
  }

  /** The logarithm of the sum of exponentials of V logits. */
  static double logSumExp(FloatBuffer logits, int first, int V) {
    double largest = Double.NEGATIVE_INFINITY;
    for (int id = 0; id < V; id++) {
      largest = Math.max(largest, logits.get(first + id));
    }
    double sum = 0;
    for (int id = 0; id < V; id++) {
      sum += Math.exp(logits.get(first + id) - largest);
    }
    return largest + Math.log(sum);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TokenLogprobs that
        && token == that.token
        && Double.compare(logprob, that.logprob) == 0
        && Arrays.equals(topTokens, that.topTokens)
        && Arrays.equals(topLogprobs, that.topLogprobs);
  }

  @Override
  public int hashCode() {
    return 31 * token + Double.hashCode(logprob);
  }
}
