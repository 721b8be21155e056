package dev.attune.store;

/**
 * A part of the flat store.
 *
 * @param begin its first element
 * @param end behind its last
 */
public record Stretch(long begin, long end) {}
