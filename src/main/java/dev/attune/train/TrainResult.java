package dev.attune.train;

import java.util.Map;

/**
 * How a run ended.
 *
 * @param steps optimizer steps done, earlier runs that it resumed included
 * @param skippedSteps of those, how many changed nothing, as their loss or gradient was not finite
 * @param epochs passes over the data, as a fraction
 * @param trainLoss mean over all steps but those
 * @param evaluation last evaluation, or that of the best weights where those were restored; empty
 *     without validation data
 * @param tokens real tokens of all steps
 * @param tokensPerSecond of this process, its first three steps left out
 * @param examplesPerSecond likewise
 * @param flopsPerSecond of matrix products, likewise
 * @param interrupted whether it stopped on request before its end
 * @param stoppedEarly whether early stopping ended it
 * @param bestStep step of the best evaluation; 0 without one
 * @param endsWithBest whether the weights are those of that step, else those of the last
 * @param arenaBytes most memory that activations took outside the gradients, whose own holds some
 *     of them until it is written
 */
public record TrainResult(
    long steps,
    long skippedSteps,
    double epochs,
    double trainLoss,
    Map<String, Double> evaluation,
    long tokens,
    double tokensPerSecond,
    double examplesPerSecond,
    double flopsPerSecond,
    boolean interrupted,
    boolean stoppedEarly,
    long bestStep,
    boolean endsWithBest,
    long arenaBytes) {
  /** The same with another evaluation of the same weights. */
  public TrainResult withEvaluation(Map<String, Double> other) {
    return new TrainResult(
        steps,
        skippedSteps,
        epochs,
        trainLoss,
        other,
        tokens,
        tokensPerSecond,
        examplesPerSecond,
        flopsPerSecond,
        interrupted,
        stoppedEarly,
        bestStep,
        endsWithBest,
        arenaBytes);
  }
}
