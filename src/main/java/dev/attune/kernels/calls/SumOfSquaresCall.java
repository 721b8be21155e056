package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Sums of squares of f32 in f64, in an order that the shape alone decides. */
public final class SumOfSquaresCall {
  private SumOfSquaresCall() {}

  /** {@code out (1)} f64, of {@code count} elements. */
  public record Flat(long out, long inp, long count) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.alwaysWrites(out).reads(inp).count(count);
    }
  }

  /** {@code out (1)} f64, of {@code rows (M)} of a table {@code (.,C)}. */
  public record Rows(long out, long table, long rows, long M, long C) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.alwaysWrites(out).reads(table).reads(rows).count(M).columns(C, M);
    }
  }
}
