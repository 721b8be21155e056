package dev.attune.ops;

import dev.attune.tape.Tensor;

/**
 * What a pre-norm gives: the input of the next sub-layer, and the residual stream that goes around
 * it.
 *
 * @param out (N,C) normalized
 * @param sum (N,C) the input plus the residual
 */
public record Normed(Tensor out, Tensor sum) {}
