package dev.attune.generate;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.List;

/**
 * How texts are continued.
 *
 * @param stops strings that end a text, and are no part of it
 * @param streams prompts in work at a time
 * @param maxNewTokens of each text
 * @param beams null: none
 * @param topLogprobs the log-probability of each token is told, and those of so many of the most
 *     probable ones at its place, 0 to {@value TokenLogprobs#MOST}; null: none is
 * @param lookupTokens at most so many tokens that stand in the text already are proposed to come
 *     next, and read in one pass with the last one; 0: none. Texts are the same
 */
public record GenerationOptions(
    Sampling sampling,
    List<String> stops,
    int streams,
    int maxNewTokens,
    BeamSearch.Config beams,
    Integer topLogprobs,
    int lookupTokens) {
  /** As many as one pass takes beside the token before them. */
  public static final int MOST_LOOKUP_TOKENS = Decoding.ADVANCED - 1;

  /** Without proposals. */
  public GenerationOptions(
      Sampling sampling,
      List<String> stops,
      int streams,
      int maxNewTokens,
      BeamSearch.Config beams,
      Integer topLogprobs) {
    this(sampling, stops, streams, maxNewTokens, beams, topLogprobs, 0);
  }

  /**
   * Refuses a number of proposals that there cannot be.
   *
   * @throws InputException if it is not between 0 and {@link #MOST_LOOKUP_TOKENS}
   */
  public static void checkLookupTokens(int tokens) {
    if (tokens < 0 || tokens > MOST_LOOKUP_TOKENS) {
      throw new InputException(
          Term.PROMPT_LOOKUP_NUM_TOKENS
              + " is "
              + tokens
              + "; it must be between 0 and "
              + MOST_LOOKUP_TOKENS);
    }
  }

  public GenerationOptions {
    checkLookupTokens(lookupTokens);
    if (lookupTokens > 0 && beams != null) {
      throw new InputException(
          Term.PROMPT_LOOKUP_NUM_TOKENS
              + " has no meaning for beam search, which follows many texts at a time; leave "
              + Term.NUM_BEAMS
              + " out");
    }
    if (topLogprobs != null && (topLogprobs < 0 || topLogprobs > TokenLogprobs.MOST)) {
      throw new InputException(
          Term.TOP_LOGPROBS
              + " is "
              + topLogprobs
              + "; it must be between 0 and "
              + TokenLogprobs.MOST);
    }
    if (topLogprobs != null && beams != null) {
      throw new InputException(
          Term.LOGPROBS
              + " has no meaning for beam search, which scores whole texts; leave "
              + Term.NUM_BEAMS
              + " out");
    }
  }
}
