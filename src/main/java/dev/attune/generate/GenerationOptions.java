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
 */
public record GenerationOptions(
    Sampling sampling,
    List<String> stops,
    int streams,
    int maxNewTokens,
    BeamSearch.Config beams,
    Integer topLogprobs) {
  public GenerationOptions {
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
