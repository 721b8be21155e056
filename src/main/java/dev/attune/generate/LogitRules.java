package dev.attune.generate;

import dev.attune.core.InputException;
import java.util.List;
import java.util.Set;

/**
 * What a model's folder says about which tokens may come, whoever continues its texts; names as in
 * Transformers' GenerationConfig, whose logits processors these are.
 *
 * @param repetitionPenalty of tokens that have occurred; 1: none
 * @param noRepeatNgramSize no run of so many tokens comes twice; 0: any may
 * @param suppressTokens never come
 * @param beginSuppressTokens do not come first
 * @param badWords runs of tokens that do not come whole
 * @param minNewTokens before so many the text does not end
 * @param minLength the same, prompt included
 */
public record LogitRules(
    double repetitionPenalty,
    int noRepeatNgramSize,
    Set<Integer> suppressTokens,
    Set<Integer> beginSuppressTokens,
    List<List<Integer>> badWords,
    int minNewTokens,
    int minLength) {
  /** Every token may come at any time. */
  public static final LogitRules NONE = new LogitRules(1, 0, Set.of(), Set.of(), List.of(), 0, 0);

  public LogitRules {
    if (!(repetitionPenalty > 0) || Double.isInfinite(repetitionPenalty)) {
      throw new InputException(
          "repetition_penalty is " + repetitionPenalty + "; it must be above 0");
    }
    for (int count : List.of(noRepeatNgramSize, minNewTokens, minLength).toArray(Integer[]::new)) {
      if (count < 0) {
        throw new InputException(
            "no_repeat_ngram_size, min_new_tokens and min_length must be at least 0, not " + count);
      }
    }
    suppressTokens = Set.copyOf(suppressTokens);
    beginSuppressTokens = Set.copyOf(beginSuppressTokens);
    badWords = badWords.stream().filter(word -> !word.isEmpty()).map(List::copyOf).toList();
  }

  /** Whether they forbid nothing, whatever the penalty. */
  boolean forbidNothing() {
    return noRepeatNgramSize == 0
        && suppressTokens.isEmpty()
        && beginSuppressTokens.isEmpty()
        && badWords.isEmpty()
        && minNewTokens == 0
        && minLength == 0;
  }

  /**
   * Gives forbidden tokens the logit -infinity.
   *
   * @param logits at least V
   * @param ids the prompt and what has been generated, {@code count} tokens
   * @param place number of tokens generated before
   * @param ends tokens that end the text
   */
  void forbid(float[] logits, int V, int[] ids, int count, int place, int[] ends) {
    forbidRepeats(logits, V, ids, count);
    for (List<Integer> word : badWords) {
      int last = word.get(word.size() - 1);
      if (endsWith(ids, count, word.subList(0, word.size() - 1)) && !isEnd(word, ends)) {
        forbid(logits, V, last);
      }
    }
    if (place < minNewTokens || count < minLength) {
      for (int end : ends) {
        forbid(logits, V, end);
      }
    }
    suppressTokens.forEach(id -> forbid(logits, V, id));
    if (place == 0) {
      beginSuppressTokens.forEach(id -> forbid(logits, V, id));
    }
  }

  private static void forbid(float[] logits, int V, int id) {
    if (id >= 0 && id < V) {
      logits[id] = Float.NEGATIVE_INFINITY;
    }
  }

  /** Tokens that would complete a run that has been: as its last but one are the last now. */
  private void forbidRepeats(float[] logits, int V, int[] ids, int count) {
    int n = noRepeatNgramSize;
    if (n == 0 || count + 1 < n) {
      return;
    }
    for (int begin = 0; begin + n <= count; begin++) {
      boolean same = true;
      for (int i = 0; same && i < n - 1; i++) {
        same = ids[begin + i] == ids[count - n + 1 + i];
      }
      if (same) {
        forbid(logits, V, ids[begin + n - 1]);
      }
    }
  }

  /** An end alone is no word that a list could forbid. */
  private static boolean isEnd(List<Integer> word, int[] ends) {
    if (word.size() == 1) {
      for (int end : ends) {
        if (word.get(0) == end) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean endsWith(int[] ids, int count, List<Integer> run) {
    if (run.size() > count) {
      return false;
    }
    for (int i = 0; i < run.size(); i++) {
      if (ids[count - run.size() + i] != run.get(i)) {
        return false;
      }
    }
    return true;
  }
}
