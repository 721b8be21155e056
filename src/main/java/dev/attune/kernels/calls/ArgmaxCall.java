package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** {@code out (N)} i32 = index of the largest element of each row (K), the first of equals. */
public record ArgmaxCall(long out, long inp, long N, long K, DType dtype) implements Call {
  private static final long MAX_WIDTH = 1L << 30;

  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(N).columns(K, N, MAX_WIDTH).dtype(dtype);
  }
}
