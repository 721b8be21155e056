package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * {@code losses (N) = (pred - target)^2}, {@code dpred = 2 (pred - target) scale}.
 *
 * @param dpred (N) or 0
 * @param targets (N) f32
 */
public record MseCall(
    long losses, long dpred, long pred, long targets, long N, float scale, DType dtype)
    implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(losses).mayWrite(dpred).reads(pred).reads(targets);
    frame.count(N).finite(scale).dtype(dtype);
  }
}
