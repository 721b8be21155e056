package dev.attune;

import java.util.Map;

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
 * @param metrics what is told of a step beside its loss: of preferences TRL's rewards/chosen,
 *     rewards/rejected, rewards/accuracies and rewards/margins; of other training nothing
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
    double secondsLeft,
    Map<String, Double> metrics) {}
