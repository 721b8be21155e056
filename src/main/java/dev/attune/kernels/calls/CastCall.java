package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** {@code out (+)= inp}, converting between f32 and bf16. */
public record CastCall(
    long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype)
    implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(count).flag(accumulate).dtype(outDtype).dtype(inpDtype);
  }
}
