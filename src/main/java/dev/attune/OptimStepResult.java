package dev.attune;

/**
 * What an update was.
 *
 * @param steps updates so far
 * @param gradientNorm of the gradients that had added up, before they were clipped
 */
public record OptimStepResult(long steps, double gradientNorm) {}
