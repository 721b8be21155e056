package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Locale;

/**
 * Losses of two answers to one prompt, of which one is better, by how much more probable each has
 * become than the model found it before training.
 */
enum PreferenceLoss {
  /** -log sigmoid of beta times the difference (Rafailov et al., 2023). */
  SIGMOID,
  /** What beta times the difference lacks of 1 (Liu et al., 2023; Zhao et al., SLiC, 2023). */
  HINGE,
  /**
   * The squared distance of the difference, of means over tokens, from 1 / (2 beta) (Azar et al.,
   * 2023).
   */
  IPO;

  /**
   * What a pair costs, and its derivatives.
   *
   * @param dchosen by the log-probability of the better answer
   * @param drejected by that of the other
   */
  record Cost(double loss, double dchosen, double drejected) {}

  static PreferenceLoss named(String option) {
    for (PreferenceLoss loss : values()) {
      if (loss.option().equals(option)) {
        return loss;
      }
    }
    throw new InputException(
        Term.LOSS + " is '" + option + "'; of preferences sigmoid, hinge and ipo are allowed");
  }

  String option() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @param chosen log-ratio of the better answer: its log-probability less the reference's
   * @param rejected that of the other
   * @param chosenTokens learned tokens of the better answer, at least 1
   * @param rejectedTokens those of the other
   * @param smoothing share of pairs that are taken to be labelled the wrong way round (Mitchell,
   *     2023); of the sigmoid
   */
  Cost of(
      double chosen,
      double rejected,
      int chosenTokens,
      int rejectedTokens,
      double beta,
      double smoothing) {
    switch (this) {
      case SIGMOID:
        double z = beta * (chosen - rejected);
        double loss = (1 - smoothing) * softplus(-z) + smoothing * softplus(z);
        double slope = beta * (sigmoid(z) - (1 - smoothing));
        return new Cost(loss, slope, -slope);
      case HINGE:
        double lack = 1 - beta * (chosen - rejected);
        double step = lack > 0 ? -beta : 0;
        return new Cost(Math.max(0, lack), step, -step);
      default:
        double off = chosen / chosenTokens - rejected / rejectedTokens - 1 / (2 * beta);
        return new Cost(off * off, 2 * off / chosenTokens, -2 * off / rejectedTokens);
    }
  }

  private static double softplus(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  private static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
  }
}
