package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** {@code out (+)= inp}, converting between f32 and bf16. */
public record CastCall(
    long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype)
    implements RowCall {
  @Override
  public CastCall ofRows(RowRange range) {
    long row = range.rowElements(count);
    return new CastCall(
        range.at(out, row * outDtype.sizeBytes()),
        range.at(inp, row * inpDtype.sizeBytes()),
        row * range.rows(),
        accumulate,
        outDtype,
        inpDtype);
  }

  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(count).flag(accumulate).dtype(outDtype).dtype(inpDtype);
  }
}
