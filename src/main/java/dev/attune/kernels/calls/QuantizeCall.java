package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;
import dev.attune.kernels.QuantizedLayout;

/** Weights {@code (F,C)} in 4 or 8 bits, which products take as their {@code weightDtype}. */
public final class QuantizeCall {
  private QuantizeCall() {}

  private static void shape(Frame frame, long F, long C) {
    frame.count(F);
    if (C % QuantizedLayout.BLOCK != 0) {
      frame.refuse("is %d, must be a multiple of %d", C, QuantizedLayout.BLOCK);
    }
    frame.columns(C, F);
  }

  /** Packs a weight, f32 or bf16, into the layout {@code outDtype}. */
  public record Pack(long out, long inp, long F, long C, DType inpDtype, DType outDtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp);
      shape(frame, F, C);
      frame.dtype(inpDtype).packedDtype(outDtype);
    }
  }

  /** The values that {@link Pack} stored, as f32 or bf16. */
  public record Unpack(long out, long inp, long F, long C, DType outDtype, DType inpDtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(inp);
      shape(frame, F, C);
      frame.dtype(outDtype).packedDtype(inpDtype);
    }
  }
}
