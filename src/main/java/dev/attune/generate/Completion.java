package dev.attune.generate;

import java.util.List;

/**
 * What became of a request.
 *
 * @param tokens generated, without an end-of-sequence token
 * @param finish why it ended
 * @param logprobs of each token, where they were asked for; else empty
 */
public record Completion(int[] tokens, Finish finish, List<TokenLogprobs> logprobs) {}
