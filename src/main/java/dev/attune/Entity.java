package dev.attune;

/**
 * Words that are tagged as one thing.
 *
 * @param label without "B-" and "I-": "PER"
 * @param text from its first word to its last
 * @param score mean probability of its words' tags
 * @param start index of its first {@code char} in the text
 * @param end index behind its last
 */
public record Entity(String label, String text, double score, int start, int end) {}
