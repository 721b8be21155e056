package dev.attune.ops;

import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Softmax cross-entropy, the end of the tape: leaves the gradient of the <em>summed</em> loss in
 * the logits. The optimizer divides by the number of targets of the whole step, so that gradient
 * accumulation gives the numbers of one large batch.
 */
public final class CrossEntropy {
  /** Targets with this label are not supervised. */
  public static final int IGNORE = -100;

  private CrossEntropy() {}

  /**
   * @param logits (N,K)
   * @param labels (N) i32 on the device
   * @param classWeight (K) f32 on the device: what each class counts, PyTorch's {@code weight}; 0:
   *     all 1
   * @param losses (N) f32 on the device, overwritten
   * @param labelSmoothing 0..1
   */
  public static void apply(
      Tape tape, Tensor logits, long labels, long classWeight, long losses, float labelSmoothing) {
    tape.run(
        new CrossEntropyCall(
            losses,
            tape.training() ? tape.gradientOf(logits) : 0,
            logits.address(),
            labels,
            classWeight,
            logits.rows(),
            logits.cols(),
            IGNORE,
            labelSmoothing,
            1f,
            logits.dtype()));
  }
}
