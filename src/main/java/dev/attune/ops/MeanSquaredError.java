package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.MseCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** Squared error of regression scores; like {@link CrossEntropy}, of the sum, not of the mean. */
public final class MeanSquaredError {
  private MeanSquaredError() {}

  /**
   * @param pred (N,1)
   * @param targets (N) f32 on the device
   * @param losses (N) f32 on the device, overwritten
   */
  public static void apply(Tape tape, Tensor pred, long targets, long losses) {
    Check.argument(pred.cols() == 1, "a regression score has one column, not %d", pred.cols());
    tape.run(
        new MseCall(
            losses,
            tape.training() ? tape.gradientOf(pred) : 0,
            pred.address(),
            targets,
            pred.rows(),
            1f,
            pred.dtype()));
  }
}
