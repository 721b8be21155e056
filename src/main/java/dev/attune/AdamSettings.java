package dev.attune;

import dev.attune.optim.AdamW;

/**
 * The numbers of an update with AdamW; each may be another one every time.
 *
 * @param learningRate above 0, at most 1
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay of matrices, decoupled
 * @param maxGradientNorm bound on the norm of the gradients; 0: none
 */
public record AdamSettings(
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double maxGradientNorm) {
  /**
   * @throws InvalidInputException if a number is out of range
   */
  public AdamSettings {
    if (!(learningRate > 0 && learningRate <= 1)) {
      throw new InvalidInputException(
          "learningRate is " + learningRate + "; it must be above 0 and at most 1", null);
    }
    if (!(maxGradientNorm >= 0 && maxGradientNorm < Double.POSITIVE_INFINITY)) {
      throw new InvalidInputException(
          "maxGradientNorm is " + maxGradientNorm + "; it must be finite and at least 0", null);
    }
    double first = beta1;
    double second = beta2;
    double least = epsilon;
    double decay = weightDecay;
    Faults.translated(() -> AdamW.Config.of(first, second, least, decay));
  }

  /** Betas 0.9 and 0.999, epsilon 1e-8, no decay, no bound. */
  public static AdamSettings of(double learningRate) {
    return new AdamSettings(learningRate, 0.9, 0.999, 1e-8, 0, 0);
  }

  /** The same with another decay. */
  public AdamSettings withWeightDecay(double value) {
    return new AdamSettings(learningRate, beta1, beta2, epsilon, value, maxGradientNorm);
  }

  /** The same with another bound on the norm of the gradients. */
  public AdamSettings withMaxGradientNorm(double value) {
    return new AdamSettings(learningRate, beta1, beta2, epsilon, weightDecay, value);
  }

  AdamW.Config config() {
    return AdamW.Config.of(beta1, beta2, epsilon, weightDecay);
  }
}
