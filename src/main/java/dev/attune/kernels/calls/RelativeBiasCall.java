package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** The relative position bias of attention, from a learned table of buckets of offsets. */
public final class RelativeBiasCall {
  private RelativeBiasCall() {}

  /**
   * {@code out (H, 2 reach + 1)} f32 from {@code table (K,H)} f32.
   *
   * @param buckets (2 reach + 1) i32: the row of the table of each offset
   */
  public record Forward(long out, long table, long buckets, long H, long reach, long K)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(table).reads(buckets);
      frame.dim(H).within(reach, 0, AttentionCall.MAX_REACH).columns(K, H, Integer.MAX_VALUE);
    }
  }

  /** {@code dtable (K,H)} f32 (+)= {@code dout (H, 2 reach + 1)} f32 by bucket. */
  public record Backward(
      long dtable, long dout, long buckets, long H, long reach, long K, boolean accumulate)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dtable).reads(dout).reads(buckets);
      frame.dim(H).within(reach, 0, AttentionCall.MAX_REACH).columns(K, H, Integer.MAX_VALUE);
      frame.flag(accumulate);
    }
  }
}
