package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** {@code out = dropout(inp)}; its own backward; in place is allowed. */
public record DropoutCall(
    long out, long inp, long count, float p, long seed, long stream, DType dtype)
    implements RowCall {
  @Override
  public DropoutCall ofRows(RowRange range) {
    long row = range.rowElements(count);
    long bytes = row * dtype.sizeBytes();
    return new DropoutCall(
        range.at(out, bytes),
        range.at(inp, bytes),
        row * range.rows(),
        p,
        range.seed(),
        range.stream(stream),
        dtype);
  }

  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(count);
    frame.probability(p).any(seed).any(stream).dtype(dtype);
  }
}
