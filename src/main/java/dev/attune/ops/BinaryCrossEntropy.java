package dev.attune.ops;

import dev.attune.kernels.calls.BinaryCrossEntropyCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Binary cross-entropy of independent labels, for rows that may have several or none: the loss of a
 * row is the mean over its labels. Like {@link CrossEntropy} the end of the tape, and of the sum
 * over rows: divided by the rows of a step it is the mean over all labels of all rows, which is
 * Transformers' {@code BCEWithLogitsLoss}.
 */
public final class BinaryCrossEntropy {
  private BinaryCrossEntropy() {}

  /**
   * @param logits (N,K)
   * @param targets (N,K) f32 on the device, 0..1
   * @param posWeight (K) f32 on the device: what a positive counts beside a negative; 0: as much
   * @param losses (N) f32 on the device, overwritten
   */
  public static void apply(Tape tape, Tensor logits, long targets, long posWeight, long losses) {
    tape.run(
        new BinaryCrossEntropyCall(
            losses,
            tape.training() ? tape.gradientOf(logits) : 0,
            logits.address(),
            targets,
            posWeight,
            logits.rows(),
            logits.cols(),
            1f,
            logits.dtype()));
  }
}
