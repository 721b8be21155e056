package dev.attune.task;

import dev.attune.core.InputException;
import java.util.Locale;

/**
 * Losses of tokens: sums over targets, which nothing divides. The last two are those of policy
 * gradients, with the ratio of a target's probability now to that when it was sampled.
 *
 * @param kind which
 * @param clip how far from 1 the ratio may go before it stops counting, of {@link Kind#PPO}
 */
public record TokenLoss(Kind kind, double clip) {
  /** The losses. */
  public enum Kind {
    /** Minus the log-probability of each target, times its weight. */
    CROSS_ENTROPY,
    /** Minus the ratio times the advantage. */
    IMPORTANCE_SAMPLING,
    /**
     * Minus the smaller of the ratio and the clipped ratio, each times the advantage (Schulman et
     * al., 2017).
     */
    PPO
  }

  public TokenLoss {
    if (kind == Kind.PPO && !(clip > 0 && clip < 1)) {
      throw new InputException("clip is " + clip + "; it must be above 0 and below 1");
    }
  }

  /** Refuses an example that lacks what the loss reads. */
  void check(TokenRow row, int index) {
    boolean isPolicy = kind != Kind.CROSS_ENTROPY;
    require(isPolicy || row.weights() != null, "weights", index);
    require(!isPolicy || row.logprobs() != null, "logprobs", index);
    require(!isPolicy || row.advantages() != null, "advantages", index);
  }

  private void require(boolean isThere, String what, int index) {
    if (!isThere) {
      throw new InputException(
          "example "
              + index
              + " has no "
              + what
              + ", which "
              + kind.name().toLowerCase(Locale.ROOT)
              + " reads");
    }
  }

  /** Whether what targets count depends on how probable they are now. */
  boolean readsLogprobs() {
    return kind != Kind.CROSS_ENTROPY;
  }

  /** The loss of a target. */
  double loss(TokenRow row, int t, double logprob) {
    switch (kind) {
      case CROSS_ENTROPY:
        return row.weights()[t] == 0 ? 0 : -row.weights()[t] * logprob;
      case IMPORTANCE_SAMPLING:
        return -ratio(row, t, logprob) * row.advantages()[t];
      default:
        double ratio = ratio(row, t, logprob);
        double clipped = Math.min(Math.max(ratio, 1 - clip), 1 + clip);
        return -Math.min(ratio * row.advantages()[t], clipped * row.advantages()[t]);
    }
  }

  /** The derivative of the loss by minus the log-probability of a target. */
  double weight(TokenRow row, int t, double logprob) {
    switch (kind) {
      case CROSS_ENTROPY:
        return row.weights()[t];
      case IMPORTANCE_SAMPLING:
        return ratio(row, t, logprob) * row.advantages()[t];
      default:
        double ratio = ratio(row, t, logprob);
        double advantage = row.advantages()[t];
        boolean isClipped = advantage >= 0 ? ratio > 1 + clip : ratio < 1 - clip;
        return isClipped ? 0 : ratio * advantage;
    }
  }

  private static double ratio(TokenRow row, int t, double logprob) {
    return Math.exp(logprob - row.logprobs()[t]);
  }
}
