package dev.attune;

/**
 * A token for a mask.
 *
 * @param word the token's text
 * @param score its probability, 0..1, among all tokens
 * @param text the whole text with it
 * @param tokenId its number in the model's vocabulary
 */
public record FilledMask(String word, double score, String text, int tokenId) {}
