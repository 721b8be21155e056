package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.PairLossKind;
import dev.attune.kernels.calls.PairLossCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Losses of pairs and triplets of vectors; like {@link CrossEntropy}, of the sum, not of the mean.
 */
public final class PairLoss {
  private PairLoss() {}

  /**
   * @param vectors (2B,D) or (3B,D) f32: anchors, positives, negatives
   * @param targets (B) f32 on the device, of pairs; else 0
   * @param losses (B) f32 on the device, overwritten
   * @param value the scale of a ranking, the margin of triplets
   * @param weight of the loss beside others: scales the gradient alone
   */
  public static void apply(
      Tape tape,
      Tensor vectors,
      long targets,
      long losses,
      PairLossKind kind,
      float value,
      float weight) {
    Check.argument(
        vectors.rows() % kind.columns() == 0,
        "%d vectors are no %d columns of as many",
        vectors.rows(),
        kind.columns());
    tape.run(
        new PairLossCall(
            losses,
            tape.training() ? tape.gradientOf(vectors) : 0,
            vectors.address(),
            targets,
            vectors.rows() / kind.columns(),
            vectors.cols(),
            kind,
            value,
            weight));
  }
}
