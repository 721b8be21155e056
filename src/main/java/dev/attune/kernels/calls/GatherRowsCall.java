package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Some rows of a tensor. */
public final class GatherRowsCall {
  private GatherRowsCall() {}

  /** {@code out (M,C) = inp[rows]}; rows are distinct where there is a backward. */
  public record Forward(long out, long inp, long rows, long M, long C, DType dtype)
      implements RowCall {
    /** Of a table, which is everybody's. */
    @Override
    public Forward ofRows(RowRange range) {
      return new Forward(
          range.at(out, C * dtype.sizeBytes()),
          inp,
          range.at(rows, Integer.BYTES),
          range.of(M),
          C,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).reads(rows).count(M).columns(C, M).dtype(dtype);
    }
  }

  /** Scatters dout to rows of {@code dinp (N,C)}; without accumulate the others become 0. */
  public record Backward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp, N > 0).reads(dout, M > 0).reads(rows, M > 0);
      frame.bound(N).bound(M).columns(C, Math.max(N, M)).flag(accumulate).dtype(dtype);
    }
  }
}
