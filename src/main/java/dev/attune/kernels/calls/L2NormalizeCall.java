package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Unit vectors of the first D columns of rows that are {@code stride} apart. */
public final class L2NormalizeCall {
  private L2NormalizeCall() {}

  /** {@code out (N,D) = scale * inp * rnorm}, {@code rnorm (N) = 1 / max(|inp|, 1e-12)}. */
  public record Forward(long out, long rnorm, long inp, long N, long D, long stride, float scale)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).writes(rnorm).reads(inp);
      frame.count(N).columns(D, N).stride(stride, D, N).finite(scale);
    }
  }

  /** Adds the gradient to the first D columns of {@code dinp}, whose rows lie as those of inp. */
  public record Backward(
      long dinp, long dout, long inp, long rnorm, long N, long D, long stride, float scale)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).reads(dout).reads(inp).reads(rnorm);
      frame.count(N).columns(D, N).stride(stride, D, N).finite(scale);
    }
  }
}
