package dev.attune.kernels.calls;

import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.Frame;

/** Products of int8 activations with int8 weights, in inference; none on a device. */
public final class LinearInt8Call {
  private LinearInt8Call() {}

  /** Packs a weight {@code inp (F,C)} f32 into strips; see {@link ChannelInt8Layout}. */
  public record Pack(long out, long inp, long F, long C) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).count(F).columns(C, F, ChannelInt8Layout.MAX_COLUMNS);
    }
  }

  /**
   * {@code out (N,F) = act(inp (N,C) * weight^T + bias (F))}, f32, rows of inp quantized on the
   * way.
   *
   * @param scratch {@link #scratchBytes} bytes
   * @param weight (F,C) as {@link Pack} leaves it
   * @param bias f32, or 0
   */
  public record Forward(
      long out,
      long scratch,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).writes(scratch).reads(inp).reads(weight).mayRead(bias);
      frame.count(N).columns(C, Math.max(N, F), ChannelInt8Layout.MAX_COLUMNS).columns(F, N);
      frame.activation(activation);
    }

    /** What the quantized rows take. */
    public static long scratchBytes(long N, long C) {
      return N * (2 * C + 192);
    }
  }
}
