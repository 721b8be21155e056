package dev.attune.generate;

import dev.attune.core.InputException;
import dev.attune.core.Term;

/**
 * How the next token is chosen; names as in Transformers' GenerationConfig.
 *
 * @param temperature divides the logits; 0: always the most probable token
 * @param topK choose among the K most probable; 0: no limit
 * @param topP choose among the fewest tokens whose probabilities reach P (Holtzman et al., 2019);
 *     1: no limit
 * @param minP drop tokens less probable than this share of the most probable one (Nguyen et al.,
 *     2024); 0: none
 * @param repetitionPenalty of tokens that have occurred, prompt included (Keskar et al., CTRL,
 *     2019); 1: none; 0: what the model's folder says
 * @param seed of the random choices
 * @param additions what is added to logits first
 */
public record Sampling(
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    long seed,
    LogitAdditions additions) {
  private static final double MIN_PENALTY = 1e-6;
  private static final double MAX_PENALTY = 1e6;

  /** With logits as they are. */
  public Sampling(
      double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
    this(temperature, topK, topP, minP, repetitionPenalty, seed, LogitAdditions.NONE);
  }

  public Sampling {
    within(Term.TEMPERATURE, temperature, 0, 100);
    within(Term.TOP_P, topP, 0, 1);
    within(Term.MIN_P, minP, 0, 1);
    if (topP == 0) {
      throw new InputException(Term.TOP_P + " is 0; it must be above 0");
    }
    if (topK < 0) {
      throw new InputException(Term.TOP_K + " is " + topK + "; it must be at least 0");
    }
    boolean isPenalty = repetitionPenalty >= MIN_PENALTY && repetitionPenalty <= MAX_PENALTY;
    if (repetitionPenalty != 0 && !isPenalty) {
      throw new InputException(
          String.format(
              "%s is %s; it must be above 0: from %s to %s",
              Term.REPETITION_PENALTY, repetitionPenalty, MIN_PENALTY, MAX_PENALTY));
    }
  }

  /** Always the most probable token. */
  public static Sampling greedy() {
    return new Sampling(0, 0, 1, 0, 0, 0);
  }

  /** Also where the temperature is 0 in the 32 bits that logits are divided in. */
  boolean isGreedy() {
    return (float) temperature == 0;
  }

  private static void within(Term term, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new InputException(
          term + " is " + value + "; it must be between " + least + " and " + most);
    }
  }
}
