package dev.attune;

import java.util.List;

/**
 * A generated token and how probable the model found it: before temperature, penalties and what
 * narrows the choice, whatever the way of choosing.
 *
 * @param id of the token
 * @param text what it adds to the text before it, special tokens as they are spelled; of a token
 *     that is a part of a character the replacement character
 * @param logprob natural logarithm of its probability
 * @param topLogprobs the most probable tokens at its place, most probable first, as many as were
 *     asked for
 */
public record GeneratedToken(int id, String text, double logprob, List<Alternative> topLogprobs) {
  /**
   * A token that might have come.
   *
   * @param id of the token
   * @param text as above
   * @param logprob natural logarithm of its probability
   */
  public record Alternative(int id, String text, double logprob) {}
}
