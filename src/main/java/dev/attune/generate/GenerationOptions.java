package dev.attune.generate;

import java.util.List;

/**
 * How texts are continued.
 *
 * @param stops strings that end a text, and are no part of it
 * @param streams prompts in work at a time
 * @param maxNewTokens of each text
 * @param beams null: none
 */
public record GenerationOptions(
    Sampling sampling,
    List<String> stops,
    int streams,
    int maxNewTokens,
    BeamSearch.Config beams) {}
