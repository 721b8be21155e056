package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** {@code out = dropout(inp)}; its own backward; in place is allowed. */
public record DropoutCall(
    long out, long inp, long count, float p, long seed, long stream, DType dtype) implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(count);
    frame.probability(p).any(seed).any(stream).dtype(dtype);
  }
}
