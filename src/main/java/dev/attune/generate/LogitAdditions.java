package dev.attune.generate;

import dev.attune.core.InputException;
import java.util.HashMap;
import java.util.Map;

/**
 * What is added to logits before anything else looks at them; names as in OpenAI's API.
 *
 * @param presencePenalty is taken from the logit of every token that has been generated
 * @param frequencyPenalty the same, as often as it has been generated
 * @param bias is added, by token id
 */
public record LogitAdditions(
    double presencePenalty, double frequencyPenalty, Map<Integer, Double> bias) {
  /** Nothing. */
  public static final LogitAdditions NONE = new LogitAdditions(0, 0, Map.of());

  public LogitAdditions {
    within("presence_penalty", presencePenalty, 2);
    within("frequency_penalty", frequencyPenalty, 2);
    bias = Map.copyOf(bias);
    bias.forEach((id, value) -> within("logit_bias of token " + id, value, 100));
  }

  private static void within(String name, double value, double most) {
    if (!(Math.abs(value) <= most)) {
      throw new InputException(
          name + " is " + value + "; it must be between " + -most + " and " + most);
    }
  }

  /**
   * Adds.
   *
   * @param logits at least V
   * @param ids the prompt and what has been generated: {@code count} tokens
   * @param place number of tokens generated before
   */
  void add(float[] logits, int V, int[] ids, int count, int place) {
    bias.forEach(
        (id, value) -> {
          if (id >= 0 && id < V) {
            logits[id] += (float) (double) value;
          }
        });
    if (presencePenalty == 0 && frequencyPenalty == 0) {
      return;
    }
    Map<Integer, Integer> times = new HashMap<>();
    for (int i = count - place; i < count; i++) {
      times.merge(ids[i], 1, Integer::sum);
    }
    times.forEach((id, n) -> logits[id] -= (float) (n * frequencyPenalty + presencePenalty));
  }
}
