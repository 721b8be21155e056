package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/**
 * Rotates, in place, the first {@code rotary} elements of H heads of N rows {@code stride} apart.
 *
 * @param table (P, rotary / 2, 2) f32: cosine and sine
 * @param inverse rotates back: the backward
 */
public record RopeCall(
    long inp,
    long table,
    long positions,
    long N,
    long H,
    long D,
    long rotary,
    long stride,
    long P,
    boolean inverse,
    DType dtype)
    implements RowCall {
  private static final long MAX_ROTARY = 65_536;
  private static final long MAX_POSITIONS = 1L << 31;

  @Override
  public RopeCall ofRows(RowRange range) {
    return new RopeCall(
        range.at(inp, stride * dtype.sizeBytes()),
        table,
        range.at(positions, Integer.BYTES),
        range.of(N),
        H,
        D,
        rotary,
        stride,
        P,
        inverse,
        dtype);
  }

  @Override
  public void fill(Frame frame) {
    boolean rotates = rotary != 0;
    frame.writes(inp, rotates).reads(table, rotates).reads(positions, rotates);
    frame.count(N).columns(H, N).columns(D, H);
    if (rotary < 0 || rotary > Math.min(D, MAX_ROTARY) || rotary % 2 != 0) {
      frame.refuse("is %d, must be even and 0..%d", rotary, Math.min(D, MAX_ROTARY));
    }
    frame.any(rotary).stride(stride, H * D, N);
    frame.within(P, rotates && N > 0 ? 1 : 0, MAX_POSITIONS).flag(inverse).dtype(dtype);
  }
}
