package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Weight-decomposed adapters. */
public final class DoraCall {
  private static final long MAX_WIDTH = 65_536;

  private DoraCall() {}

  /**
   * What columns are multiplied by: {@code norm (F)} of the rows of {@code weight[firstRow ..] +
   * scale * up (F,R) * down (R,C)}, {@code gain (F) = magnitude / norm}, {@code excess (F) = gain -
   * 1}; 0 and -1 where the norm is 0. The weight is (rows, C) of any type that products read.
   *
   * @param gain with {@code excess} and {@code magnitude}: all three, or 0 for all three
   */
  public record Gain(
      long gain,
      long excess,
      long norm,
      long weight,
      long down,
      long up,
      long magnitude,
      long rows,
      long firstRow,
      long F,
      long C,
      long R,
      float scale,
      DType weightDtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      boolean any = gain != 0 || excess != 0 || magnitude != 0;
      frame.writes(gain, any).writes(excess, any).writes(norm);
      frame.reads(weight).reads(down).reads(up).reads(magnitude, any);
      frame.bound(rows).within(firstRow, 0, rows - F).within(F, 1, rows).columns(C, rows);
      frame.within(R, 1, LoraCall.MAX_RANK).finite(scale).weightDtype(weightDtype, C);
    }
  }

  /**
   * {@code out (N,F) (+)= gain .* inp (N,F) + bias}.
   *
   * @param out may be {@code inp}
   * @param bias (F) or 0
   */
  public record Forward(
      long out, long inp, long gain, long bias, long N, long F, boolean accumulate, DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).reads(gain).mayRead(bias);
      frame.count(N).columns(F, N).flag(accumulate).dtype(dtype);
    }
  }

  /**
   * {@code dinp (N,F) = gain .* dout}, {@code dmagnitude (F) (+)= (sum over rows of dout .* inp) /
   * norm}; rows of all three are {@code stride} apart.
   *
   * @param dinp may be {@code dout} or {@code inp}
   * @param dmagnitude 0: not wanted; inp and norm may then be 0 too
   */
  public record Backward(
      long dinp,
      long dmagnitude,
      long dout,
      long inp,
      long gain,
      long norm,
      long N,
      long F,
      long stride,
      boolean accumulate,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      boolean wanted = dmagnitude != 0;
      frame.writes(dinp).mayWrite(dmagnitude);
      frame.reads(dout).reads(inp, wanted).reads(gain).reads(norm, wanted);
      frame.count(N).dim(F, MAX_WIDTH).stride(stride, F, N).flag(accumulate).dtype(dtype);
    }
  }
}
