package dev.attune.generate;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;

/**
 * What to continue, and how.
 *
 * @param prompt token ids, at least one
 * @param sampling how to choose
 * @param rules among which tokens
 * @param maxNewTokens at most so many; fewer where the context ends
 * @param ends tokens that end the text; they are not part of it
 * @param stream tells requests with one seed apart
 * @param topLogprobs see {@link GenerationOptions}
 * @param lookupTokens see {@link GenerationOptions}
 * @param adapters of the request's own, beside the model: see {@link dev.attune.tape.RowGroup};
 *     null: none
 * @param listener hears every token, and may stop the request; may be null
 */
public record Request(
    int[] prompt,
    Sampling sampling,
    LogitRules rules,
    int maxNewTokens,
    int[] ends,
    long stream,
    Integer topLogprobs,
    int lookupTokens,
    Object adapters,
    TokenListener listener) {
  /** A request to the model as it is, without log-probabilities. */
  public Request(
      int[] prompt,
      Sampling sampling,
      LogitRules rules,
      int maxNewTokens,
      int[] ends,
      long stream,
      TokenListener listener) {
    this(prompt, sampling, rules, maxNewTokens, ends, stream, null, 0, null, listener);
  }

  /** A request to the model as it is. */
  public Request(
      int[] prompt,
      Sampling sampling,
      LogitRules rules,
      int maxNewTokens,
      int[] ends,
      long stream,
      Integer topLogprobs,
      TokenListener listener) {
    this(prompt, sampling, rules, maxNewTokens, ends, stream, topLogprobs, 0, null, listener);
  }

  /** Hears of each new token. */
  public interface TokenListener {
    /** Returns whether the request goes on. */
    boolean onToken(int token);

    /**
     * The same with its log-probability.
     *
     * @param logprobs null where they were not asked for
     */
    default boolean onToken(int token, TokenLogprobs logprobs) {
      return onToken(token);
    }
  }

  public Request {
    if (prompt.length == 0) {
      throw new InputException(
          "the prompt is empty, and the tokenizer adds no token to start with");
    }
    if (maxNewTokens < 1) {
      throw new InputException(
          Term.MAX_NEW_TOKENS + " is " + maxNewTokens + "; it must be at least 1");
    }
    GenerationOptions.checkLookupTokens(lookupTokens);
  }

  /**
   * Refuses a prompt that leaves no room.
   *
   * @param context tokens of the longest text, prompt included
   */
  void checkFits(int context) {
    if (prompt.length >= context) {
      throw new InputException(
          "the prompt has "
              + Count.many(prompt.length, "token")
              + "; the context holds "
              + context
              + ", and at least one is to be generated");
    }
  }

  boolean isEnd(int token) {
    for (int end : ends) {
      if (end == token) {
        return true;
      }
    }
    return false;
  }
}
