package dev.attune;

/**
 * What a tagger says of a word.
 *
 * @param word as it stands in the text
 * @param tag the most probable one, as "B-PER" or "O"; null where the word lies beyond the maximum
 *     length
 * @param score the tag's probability; 0 where there is none
 * @param start index of its first {@code char} in the text
 * @param end index behind its last
 */
public record TaggedWord(String word, String tag, double score, int start, int end) {}
