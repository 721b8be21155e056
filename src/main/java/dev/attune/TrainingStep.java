package dev.attune;

/**
 * An optimizer step that was taken.
 *
 * @param step from 1
 * @param totalSteps of the run
 * @param epoch passes over the data done, as a fraction
 * @param loss mean over the targets of this step
 * @param gradientNorm before clipping
 * @param learningRate of this step
 * @param tokens real tokens of this step
 * @param tokensPerSecond so far; NaN during the first steps
 * @param secondsLeft estimate for the rest of the run; NaN during the first steps
 */
public record TrainingStep(
    long step,
    long totalSteps,
    double epoch,
    double loss,
    double gradientNorm,
    double learningRate,
    long tokens,
    double tokensPerSecond,
    double secondsLeft) {}
