package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Zeroes {@code rows (M)} of a table {@code (.,C)} f32. */
public record ZeroRowsCall(long table, long rows, long M, long C) implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(table).reads(rows).count(M).columns(C, M);
  }
}
