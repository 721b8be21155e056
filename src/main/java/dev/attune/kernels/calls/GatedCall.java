package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Gated linear units: gate and up are the halves of {@code inp (N,2F)}. */
public final class GatedCall {
  private GatedCall() {}

  /** {@code out (N,F) = act(gate) .* up}. */
  public record Forward(long out, long inp, long N, long F, Activation activation, DType dtype)
      implements RowCall {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).count(N).columns(F, 2 * N);
      frame.activation(activation).dtype(dtype);
    }

    @Override
    public Forward ofRows(RowRange range) {
      long row = F * dtype.sizeBytes();
      return new Forward(
          range.at(out, row), range.at(inp, 2 * row), range.of(N), F, activation, dtype);
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
      implements RowCall {
    @Override
    public Backward ofRows(RowRange range) {
      long row = F * dtype.sizeBytes();
      return new Backward(
          range.at(dinp, 2 * row),
          range.at(outAgain, row),
          range.at(dout, row),
          range.at(inp, 2 * row),
          range.of(N),
          F,
          activation,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).mayWrite(outAgain).reads(dout).reads(inp).count(N).columns(F, 2 * N);
      frame.activation(activation).dtype(dtype);
    }
  }
}
