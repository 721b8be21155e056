package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Layouts that cuDNN's attention takes; CUDA alone. */
public final class CudnnCall {
  private CudnnCall() {}

  /**
   * Lengths and offsets of B packed sequences, filled up to {@code padded}.
   *
   * @param width elements of a row, {@code outWidth} of one of the result
   */
  public record SequenceOffsets(
      long out, long cuSeqlens, long B, long padded, long width, long outWidth, long heads)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(cuSeqlens).dim(B).within(padded, B, Integer.MAX_VALUE - 1L);
      frame.dim(width).dim(outWidth).dim(heads);
    }
  }

  /** {@code out (heads,N) = inp (N,heads)^T} {@code byHead}, else the other way round. */
  public record TransposeStats(
      long out, long inp, long cuSeqlens, long B, long heads, boolean byHead) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp).reads(cuSeqlens).dim(B).dim(heads).flag(byHead);
    }
  }
}
