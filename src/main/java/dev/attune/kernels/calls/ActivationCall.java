package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Activation functions, element by element; in place is allowed. */
public final class ActivationCall {
  private ActivationCall() {}

  /** {@code out = act(inp)}. */
  public record Forward(long out, long inp, long count, Activation activation, DType dtype)
      implements RowCall {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).count(count).activation(activation).dtype(dtype);
    }

    @Override
    public Forward ofRows(RowRange range) {
      long row = range.rowElements(count);
      long bytes = row * dtype.sizeBytes();
      return new Forward(
          range.at(out, bytes), range.at(inp, bytes), row * range.rows(), activation, dtype);
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
      implements RowCall {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).reads(dout).reads(inp);
      frame.count(count).activation(activation).flag(accumulate).dtype(dtype);
    }

    @Override
    public Backward ofRows(RowRange range) {
      long row = range.rowElements(count);
      long bytes = row * dtype.sizeBytes();
      return new Backward(
          range.at(dinp, bytes),
          range.at(dout, bytes),
          range.at(inp, bytes),
          row * range.rows(),
          activation,
          accumulate,
          dtype);
    }
  }
}
