package dev.attune.generate;

import java.util.List;

/**
 * A generated token with its log-probability: see {@link TokenLogprobs}.
 *
 * @param id of the token
 * @param text what it adds to the text before it, special tokens as they are spelled; of a token
 *     that is a part of a character the replacement character
 * @param logprob natural logarithm of its probability
 * @param top the most probable tokens at its place, most probable first
 */
public record ScoredToken(int id, String text, double logprob, List<Alternative> top) {
  /** A token that might have come; see there. */
  public record Alternative(int id, String text, double logprob) {}
}
