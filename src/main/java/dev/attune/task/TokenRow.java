package dev.attune.task;

import dev.attune.core.InputException;

/**
 * A sequence with what is to follow each of its tokens.
 *
 * @param tokens ids (T)
 * @param targets the token that is to follow each (T); {@link #NONE}: nothing is asked there
 * @param weights what each target counts in a cross-entropy (T); else null
 * @param logprobs of each target by the model that it was sampled from (T); else null
 * @param advantages how much better than usual each target turned out to be (T); else null
 */
public record TokenRow(
    int[] tokens, int[] targets, float[] weights, float[] logprobs, float[] advantages) {
  /** No target. */
  public static final int NONE = -1;

  public TokenRow {
    if (tokens.length == 0) {
      throw new InputException("an example has no tokens");
    }
    same("targets", targets == null ? -1 : targets.length, tokens.length);
    check("weights", weights, tokens.length);
    check("logprobs", logprobs, tokens.length);
    check("advantages", advantages, tokens.length);
  }

  private static void check(String what, float[] values, int length) {
    if (values == null) {
      return;
    }
    same(what, values.length, length);
    for (int t = 0; t < length; t++) {
      if (!Float.isFinite(values[t])) {
        throw new InputException(what + "[" + t + "] is " + values[t] + "; it must be finite");
      }
    }
  }

  private static void same(String what, int count, int length) {
    if (count != length) {
      throw new InputException(
          (count < 0 ? "there are no " + what : "there are " + count + " " + what)
              + " for "
              + length
              + " tokens; each token needs one");
    }
  }
}
