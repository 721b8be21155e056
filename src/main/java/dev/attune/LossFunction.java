package dev.attune;

import dev.attune.task.TokenLoss;
import java.util.Locale;

/**
 * What {@link AdapterTrainer#forwardBackward} minimises: a sum over the targets of all examples,
 * which nothing divides.
 *
 * @param name {@code cross_entropy}, {@code importance_sampling} or {@code ppo}
 * @param clip of {@code ppo}: how far from 1 the ratio may go before it stops counting, above 0 and
 *     below 1; else 0
 */
public record LossFunction(String name, double clip) {
  /**
   * @throws InvalidInputException if there is none of that name, or the clip is out of range
   */
  public LossFunction {
    String wanted = name;
    double bound = clip;
    Faults.translated(() -> of(wanted, bound));
  }

  /** Minus the log-probability of each target, times its weight. */
  public static LossFunction crossEntropy() {
    return new LossFunction("cross_entropy", 0);
  }

  /**
   * Minus the advantage of each target times the ratio of its probability now to that when it was
   * sampled: the policy gradient, which is right also for texts that an earlier model has written.
   */
  public static LossFunction importanceSampling() {
    return new LossFunction("importance_sampling", 0);
  }

  /**
   * The same with a ratio that stops counting once it is further from 1 than the clip, where that
   * would be an advantage (Schulman et al., 2017).
   *
   * @param clip 0.2 is usual
   */
  public static LossFunction ppo(double clip) {
    return new LossFunction("ppo", clip);
  }

  private static TokenLoss of(String name, double clip) {
    for (TokenLoss.Kind kind : TokenLoss.Kind.values()) {
      if (kind.name().toLowerCase(Locale.ROOT).equals(name)) {
        if (kind != TokenLoss.Kind.PPO && clip != 0) {
          throw new InvalidInputException("clip is " + clip + "; " + name + " has none", null);
        }
        return new TokenLoss(kind, clip);
      }
    }
    throw new InvalidInputException(
        "the loss is '" + name + "'; allowed are cross_entropy, importance_sampling and ppo", null);
  }

  TokenLoss loss() {
    return of(name, clip);
  }
}
