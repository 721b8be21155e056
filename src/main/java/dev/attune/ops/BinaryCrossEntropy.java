package dev.attune.ops;

import dev.attune.kernels.calls.BinaryCrossEntropyCall;
import dev.attune.kernels.calls.FillZeroCall;
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
    run(tape, logits, logits.rows(), targets, posWeight, losses);
  }

  /**
   * The same of the first rows alone: others only fill up, and have no gradient.
   *
   * @param rows how many
   * @param targets (rows,K) f32 on the device, 0..1
   * @param losses (rows) f32 on the device, overwritten
   */
  public static void ofFirstRows(Tape tape, Tensor logits, int rows, long targets, long losses) {
    if (tape.training() && rows < logits.rows()) {
      tape.run(new FillZeroCall(tape.gradientOf(logits), logits.sizeBytes()));
    }
    run(tape, logits, rows, targets, 0, losses);
  }

  private static void run(
      Tape tape, Tensor logits, long rows, long targets, long posWeight, long losses) {
    tape.run(
        new BinaryCrossEntropyCall(
            losses,
            tape.training() ? tape.gradientOf(logits) : 0,
            logits.address(),
            targets,
            posWeight,
            rows,
            logits.cols(),
            1f,
            logits.dtype()));
  }
}
