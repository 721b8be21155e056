package dev.attune;

import dev.attune.generate.Sampling;
import dev.attune.run.AdapterTraining.Sample;

/**
 * How {@link AdapterTrainer#sample} chooses tokens.
 *
 * @param maxTokens of each text at most
 * @param temperature divides the logits; 0: always the most probable token
 * @param topK choose among the K most probable; 0: all
 * @param topP choose among the fewest tokens whose probabilities reach P; 1: all
 * @param seed of the random choices, which differ from text to text
 * @param stopTokens that end a text, as its last token; null: those that the model's folder names
 */
public record SampleOptions(
    int maxTokens, double temperature, int topK, double topP, long seed, int[] stopTokens) {
  /**
   * @throws InvalidInputException if a number is out of range
   */
  public SampleOptions {
    if (maxTokens < 1) {
      throw new InvalidInputException(
          "maxTokens is " + maxTokens + "; it must be at least 1", null);
    }
    if (temperature == 0 && (topK != 0 || topP != 1)) {
      throw new InvalidInputException(
          "temperature is 0: every token is the most probable one, but topK or topP is given; leave"
              + " one of the two out",
          null);
    }
    double heat = temperature;
    int k = topK;
    double p = topP;
    Faults.translated(() -> new Sampling(heat, k, p, 0, 1, 0));
  }

  /** As the model itself would: temperature 1, among all tokens, seed 42. */
  public static SampleOptions of(int maxTokens) {
    return new SampleOptions(maxTokens, 1, 0, 1, 42, null);
  }

  /** The same with another temperature. */
  public SampleOptions withTemperature(double value) {
    return new SampleOptions(maxTokens, value, topK, topP, seed, stopTokens);
  }

  /** The same with another seed: who samples again wants other texts. */
  public SampleOptions withSeed(long value) {
    return new SampleOptions(maxTokens, temperature, topK, topP, value, stopTokens);
  }

  /** The same with other tokens that end a text; none of them: it ends at {@code maxTokens}. */
  public SampleOptions withStopTokens(int... value) {
    return new SampleOptions(maxTokens, temperature, topK, topP, seed, value);
  }

  Sample sample() {
    return new Sample(new Sampling(temperature, topK, topP, 0, 1, seed), maxTokens, stopTokens);
  }
}
