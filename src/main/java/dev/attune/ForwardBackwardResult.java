package dev.attune;

import java.util.List;

/**
 * What a loss was.
 *
 * @param loss the sum over all targets
 * @param logprobs of each example's targets (T), by the model as it was before; NaN where there is
 *     no target
 */
public record ForwardBackwardResult(double loss, List<float[]> logprobs) {}
