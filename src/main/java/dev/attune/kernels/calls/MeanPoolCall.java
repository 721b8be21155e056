package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** The mean of the rows of each of B sequences. */
public final class MeanPoolCall {
  private MeanPoolCall() {}

  /** {@code out (B,C)}; a sequence without rows gives 0. */
  public record Forward(long out, long inp, long cuSeqlens, long B, long C, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).reads(cuSeqlens).count(B).columns(C, B).dtype(dtype);
    }
  }

  /** Spreads dout over the rows of each sequence. */
  public record Backward(
      long dinp, long dout, long cuSeqlens, long B, long C, boolean accumulate, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).reads(dout).reads(cuSeqlens);
      frame.count(B).columns(C, B).flag(accumulate).dtype(dtype);
    }
  }
}
