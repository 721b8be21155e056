package dev.attune.ops;

import dev.attune.kernels.calls.MseCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Squared error of regression scores, one or several a row; like {@link CrossEntropy}, of the sum,
 * not of the mean.
 */
public final class MeanSquaredError {
  private MeanSquaredError() {}

  /**
   * @param pred (N,K)
   * @param targets (N,K) f32 on the device
   * @param losses (N,K) f32 on the device, overwritten
   */
  public static void apply(Tape tape, Tensor pred, long targets, long losses) {
    tape.run(
        new MseCall(
            losses,
            tape.training() ? tape.gradientOf(pred) : 0,
            pred.address(),
            targets,
            pred.rows() * pred.cols(),
            1f,
            pred.dtype()));
  }
}
