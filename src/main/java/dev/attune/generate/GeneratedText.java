package dev.attune.generate;

/**
 * A prompt's continuation.
 *
 * @param index of the prompt among those given
 * @param text without end-of-sequence token or stop string
 * @param tokens generated
 */
public record GeneratedText(int index, Prompt prompt, String text, int tokens, Finish finish) {}
