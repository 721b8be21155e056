package dev.attune.train;

import dev.attune.batch.TargetLayout;
import dev.attune.model.Model;
import dev.attune.optim.Optimizer;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.task.Objective;

/**
 * What a step is made of; the caller closes them.
 *
 * @param maxGradNorm clips gradients; 0: never
 * @param maxRows of a batch
 * @param maxSequences of a batch
 * @param targets how they lie in a batch
 * @param columns sequences of an example
 * @param microBatches of a step, at most
 * @param seed of the dropout masks
 * @param shared where forward and backward run with those of other jobs; null: alone
 */
record TrainingParts(
    Model model,
    Optimizer optimizer,
    Tape tape,
    Objective objective,
    double maxGradNorm,
    int maxRows,
    int maxSequences,
    TargetLayout targets,
    int columns,
    int microBatches,
    long seed,
    SharedPass.Job shared) {
  Parameters parameters() {
    return model.parameters();
  }
}
