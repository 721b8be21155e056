package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.model.Inputs;
import dev.attune.optim.GradientNorm;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;

/** Steps on a backend whose calls return when their work is done. */
final class HostSteps implements StepRunner {
  private final TrainingParts parts;
  private final Parameters parameters;
  private final Staging staging;
  private final GradientNorm gradientNorm;
  private double lossSum;
  private Result result;

  HostSteps(TrainingParts parts) {
    this.parts = parts;
    this.parameters = parts.parameters();
    this.staging = new Staging(parameters.backend());
    this.gradientNorm = new GradientNorm(parameters);
  }

  @Override
  public long run(Batch batch, long microStep, Update update) {
    Tape tape = parts.tape();
    Inputs inputs = staging.stage(batch);
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
    }
    tape.begin(true, microStep);
    Tensor output = parts.model().forward(tape, inputs);
    int losses = parts.objective().apply(tape, parts.model(), output, staging);
    tape.backward();
    lossSum += staging.sumLosses(losses);
    if (update != null) {
      update(update);
    }
    return tape.flops();
  }

  private void update(Update update) {
    parameters.completeGradients();
    long targets = update.targets();
    result = new Result(lossSum / targets, gradientNorm.measure() / targets);
    lossSum = 0;
    if (result.isFinite()) {
      double clip = GradientNorm.clipFactor(result.gradNorm(), parts.maxGradNorm());
      parts.optimizer().step(update.learningRate(), (float) (clip / targets));
      parameters.endStep();
    }
  }

  @Override
  public int lead() {
    return 0;
  }

  @Override
  public Result result() {
    return result;
  }

  @Override
  public void close() {
    staging.close();
    gradientNorm.close();
  }
}
