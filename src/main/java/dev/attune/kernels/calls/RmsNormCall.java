package dev.attune.kernels.calls;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/**
 * Residual add and root mean square norm, of each row's G groups of C (G > 1: the heads of a
 * product, rows {@code inpStride} and {@code outStride} elements apart).
 */
public final class RmsNormCall {
  private RmsNormCall() {}

  /**
   * {@code sum = inp + residual; out = sum * rstd * weight}.
   *
   * @param sum 0 with residual
   * @param rstd (N,G) f32, or 0 in inference
   */
  public record Forward(
      long out,
      long sum,
      long rstd,
      long inp,
      long residual,
      long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      float eps,
      DType dtype)
      implements RowCall {
    @Override
    public Forward ofRows(RowRange range) {
      long row = inpStride * dtype.sizeBytes();
      return new Forward(
          range.at(out, outStride * dtype.sizeBytes()),
          range.at(sum, row),
          range.at(rstd, G * Float.BYTES),
          range.at(inp, row),
          range.at(residual, row),
          weight,
          range.of(N),
          G,
          C,
          inpStride,
          outStride,
          eps,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.together(sum, residual, "sum and residual");
      frame.writes(out).mayWrite(sum).mayWrite(rstd).reads(inp).mayRead(residual).reads(weight);
      frame.count(N);
      if (sum != 0 && G != 1) {
        frame.refuse("is %d, must be 1 where there is a residual", G);
      }
      frame.columns(G, N).columns(C, G, LayerNormCall.MAX_WIDTH);
      frame.stride(inpStride, G * C, N).stride(outStride, G * C, N);
      frame.notNegative(eps).dtype(dtype);
    }
  }

  /**
   * {@code dinp = dsumExtra + root mean square norm's gradient}: of inp and of residual alike.
   *
   * @param dweight (C) f32, or 0 where the weight is frozen
   * @param dsumExtra 0 for none
   * @param sum the forward's sum, or its inp where there was none
   */
  public record Backward(
      long dinp,
      long dweight,
      long dout,
      long dsumExtra,
      long sum,
      long rstd,
      long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      boolean accumulateWeight,
      DType dtype)
      implements RowCall {
    /** Of a weight that is frozen: its gradient would be one of all rows. */
    @Override
    public Backward ofRows(RowRange range) {
      Check.state(dweight == 0, "the weight of a norm is trained by several jobs");
      long row = inpStride * dtype.sizeBytes();
      return new Backward(
          range.at(dinp, row),
          0,
          range.at(dout, outStride * dtype.sizeBytes()),
          range.at(dsumExtra, row),
          range.at(sum, row),
          range.at(rstd, G * Float.BYTES),
          weight,
          range.of(N),
          G,
          C,
          inpStride,
          outStride,
          accumulateWeight,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).mayWrite(dweight).reads(dout).mayRead(dsumExtra);
      frame.reads(sum).reads(rstd).reads(weight);
      frame.count(N).columns(G, N).columns(C, G, LayerNormCall.MAX_WIDTH);
      frame.stride(inpStride, G * C, N).stride(outStride, G * C, N);
      frame.flag(accumulateWeight).dtype(dtype);
    }
  }
}
