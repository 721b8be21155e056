package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Gated linear units: gate and up are the halves of {@code inp (N,2F)}. */
public final class GatedCall {
  private GatedCall() {}

  /** {@code out (N,F) = act(gate) .* up}. */
  public record Forward(long out, long inp, long N, long F, Activation activation, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).count(N).columns(F, 2 * N);
      frame.activation(activation).dtype(dtype);
    }
  }

  /**
   * Overwrites {@code dinp (N,2F)}, which may be inp.
   *
   * @param outAgain (N,F) or 0: receives the forward's result; may be dout
   */
  public record Backward(
      long dinp,
      long outAgain,
      long dout,
      long inp,
      long N,
      long F,
      Activation activation,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).mayWrite(outAgain).reads(dout).reads(inp).count(N).columns(F, 2 * N);
      frame.activation(activation).dtype(dtype);
    }
  }
}
