package dev.attune.generate;

import java.util.List;

/**
 * A prompt's continuation.
 *
 * @param index of the prompt among those given
 * @param text without end-of-sequence token or stop string
 * @param tokens generated
 * @param logprobs of the tokens, those of a stop string included, where they were asked for; else
 *     empty
 */
public record GeneratedText(
    int index, Prompt prompt, String text, int tokens, Finish finish, List<ScoredToken> logprobs) {}
