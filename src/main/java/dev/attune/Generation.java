package dev.attune;

/**
 * A generated text.
 *
 * @param text without prompt, end-of-sequence token or stop string
 * @param finishReason why it ended
 * @param tokens generated
 */
public record Generation(String text, FinishReason finishReason, int tokens) {}
