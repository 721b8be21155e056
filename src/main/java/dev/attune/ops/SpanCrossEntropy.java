package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.SpanCrossEntropyCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Cross-entropy of the first and the last row of a span over the rows of its sequence (extractive
 * question answering: Devlin et al., BERT, 2019). Like {@link CrossEntropy} the end of the tape,
 * and of the sum: divided by the positions of a step that are not ignored, starts and ends
 * together, it is Transformers' loss, half the sum of two means, where as many starts as ends are
 * ignored.
 */
public final class SpanCrossEntropy {
  /** Positions with this value, or behind the rows of their sequence, are not supervised. */
  public static final int IGNORE = -1;

  private SpanCrossEntropy() {}

  /**
   * @param logits (N,2): each row's score as a start and as an end
   * @param cuSeqlens (B+1) i32 on the device
   * @param starts (B) i32 on the device: rows of their sequences, counted from its first
   * @param ends (B) i32 on the device, likewise
   * @param losses (B,2) f32 on the device, overwritten: of the start and of the end
   */
  public static void apply(
      Tape tape, Tensor logits, long cuSeqlens, long B, long starts, long ends, long losses) {
    Check.argument(logits.cols() == 2, "spans have two scores a row, not %d", logits.cols());
    tape.run(
        new SpanCrossEntropyCall(
            losses,
            tape.training() ? tape.gradientOf(logits) : 0,
            logits.address(),
            cuSeqlens,
            starts,
            ends,
            B,
            1f,
            1f,
            logits.dtype()));
  }
}
