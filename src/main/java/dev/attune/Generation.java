package dev.attune;

import java.util.List;

/**
 * A generated text.
 *
 * @param text without prompt, end-of-sequence token or stop string
 * @param finishReason why it ended
 * @param tokens generated
 * @param logprobs of the tokens, those of a stop string included, where {@link
 *     Generator.Options#logprobs} asked for them; else empty
 */
public record Generation(
    String text, FinishReason finishReason, int tokens, List<GeneratedToken> logprobs) {}
