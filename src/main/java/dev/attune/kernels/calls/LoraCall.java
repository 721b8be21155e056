package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** The second product of a low-rank adapter. */
public final class LoraCall {
  static final long MAX_RANK = 256;

  private LoraCall() {}

  /** {@code out (N,F) += scale * low (N,R) * up (F,R)^T}. */
  public record Forward(
      long out,
      long low,
      long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(low).reads(up).count(N).columns(F, N).columns(R, F, MAX_RANK);
      frame.stride(outStride, F, N).stride(lowStride, R, N).finite(scale).dtype(dtype);
    }
  }

  /** {@code dlow (N,R) = scale * dout * up}, {@code dup (F,R) (+)= scale * dout^T * low}. */
  public record Backward(
      long dlow,
      long dup,
      long dout,
      long low,
      long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      boolean accumulate,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dlow).alwaysWrites(dup).reads(dout).reads(low).reads(up);
      frame.count(N).columns(F, N).columns(R, F, MAX_RANK);
      frame.stride(outStride, F, N).stride(lowStride, R, N).finite(scale);
      frame.flag(accumulate).dtype(dtype);
    }
  }
}
