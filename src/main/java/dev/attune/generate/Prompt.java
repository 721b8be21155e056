package dev.attune.generate;

/**
 * A text to continue.
 *
 * @param text shown with the result
 * @param ids its tokens
 */
public record Prompt(String text, int[] ids) {}
