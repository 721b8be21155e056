package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * Binary cross-entropy of K independent labels per row, from logits: {@code losses (N)} f32, the
 * mean over K, and {@code dlogits (N,K)}, its gradient times {@code scale}, in one pass.
 *
 * @param dlogits may be logits itself; 0: not wanted
 * @param targets (N,K) f32 in 0..1
 * @param posWeight (K) f32, the weight of each label's positive part; 0: all 1
 */
public record BinaryCrossEntropyCall(
    long losses,
    long dlogits,
    long logits,
    long targets,
    long posWeight,
    long N,
    long K,
    float scale,
    DType dtype)
    implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(losses).mayWrite(dlogits).reads(logits).reads(targets).mayRead(posWeight);
    frame.count(N).columns(K, N).finite(scale).dtype(dtype);
  }
}
