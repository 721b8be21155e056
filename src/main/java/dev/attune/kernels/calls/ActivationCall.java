package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Activation functions, element by element; in place is allowed. */
public final class ActivationCall {
  private ActivationCall() {}

  /** {@code out = act(inp)}. */
  public record Forward(long out, long inp, long count, Activation activation, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).count(count).activation(activation).dtype(dtype);
    }
  }

  /** {@code dinp (+)= dout .* act'(inp)}. */
  public record Backward(
      long dinp,
      long dout,
      long inp,
      long count,
      Activation activation,
      boolean accumulate,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).reads(dout).reads(inp);
      frame.count(count).activation(activation).flag(accumulate).dtype(dtype);
    }
  }
}
