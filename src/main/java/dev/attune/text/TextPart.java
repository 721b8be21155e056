package dev.attune.text;

/**
 * A part of a text that is too long to be encoded as one.
 *
 * @param ids of the part (T)
 * @param isExact whether they are those that the text as a whole has there, as far as the
 *     characters around the border tell
 */
public record TextPart(int[] ids, boolean isExact) {}
