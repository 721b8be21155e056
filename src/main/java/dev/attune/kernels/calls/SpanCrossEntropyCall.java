package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * Softmax cross-entropy over the rows of each sequence, for the start and the end of a span: {@code
 * losses (B,2)} f32 and {@code dlogits (N,2)}, the gradients of the starts' losses times {@code
 * startScale} and of the ends' times {@code endScale}, in one pass.
 *
 * @param dlogits may be logits itself; 0: not wanted
 * @param logits (N,2): the start's and the end's score of each row
 * @param cuSeqlens (B+1) i32
 * @param starts (B) i32, which count rows of their sequence; one that is no row of it is ignored
 * @param ends (B) i32, likewise
 */
public record SpanCrossEntropyCall(
    long losses,
    long dlogits,
    long logits,
    long cuSeqlens,
    long starts,
    long ends,
    long B,
    float startScale,
    float endScale,
    DType dtype)
    implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(losses).mayWrite(dlogits).reads(logits).reads(cuSeqlens).reads(starts).reads(ends);
    frame.count(B).finite(startScale).finite(endScale).dtype(dtype);
  }
}
