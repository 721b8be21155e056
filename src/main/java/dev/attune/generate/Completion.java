package dev.attune.generate;

/**
 * What became of a request.
 *
 * @param tokens generated, without an end-of-sequence token
 * @param finish why it ended
 */
public record Completion(int[] tokens, Finish finish) {}
