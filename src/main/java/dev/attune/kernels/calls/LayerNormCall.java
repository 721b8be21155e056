package dev.attune.kernels.calls;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Dropout, residual add, layer norm, dropout. */
public final class LayerNormCall {
  static final long MAX_WIDTH = 65_536;

  private LayerNormCall() {}

  /**
   * {@code sum = dropout(inp) + residual; out = dropout(layerNorm(sum))}; {@code mean, rstd (N)}
   * f32 are saved.
   *
   * @param sum (N,C), may be inp; 0 in inference
   * @param residual (N,C) or 0
   * @param bias (C) or 0
   */
  public record Forward(
      long out,
      long sum,
      long mean,
      long rstd,
      long inp,
      long residual,
      long weight,
      long bias,
      long N,
      long C,
      float eps,
      float pInp,
      float pOut,
      long seed,
      long stream,
      DType dtype)
      implements RowCall {
    @Override
    public Forward ofRows(RowRange range) {
      long row = C * dtype.sizeBytes();
      return new Forward(
          range.at(out, row),
          range.at(sum, row),
          range.at(mean, Float.BYTES),
          range.at(rstd, Float.BYTES),
          range.at(inp, row),
          range.at(residual, row),
          weight,
          bias,
          range.of(N),
          C,
          eps,
          pInp,
          pOut,
          range.seed(),
          range.stream(stream),
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(out).mayWrite(sum).writes(mean).writes(rstd);
      frame.reads(inp).mayRead(residual).reads(weight).mayRead(bias);
      frame.count(N).columns(C, N, MAX_WIDTH).notNegative(eps);
      frame.probability(pInp).probability(pOut).any(seed).any(stream).dtype(dtype);
    }
  }

  /**
   * {@code dsum = dsumExtra + layer norm's gradient}.
   *
   * @param dinp (N,C) or 0: dsum through inp's mask
   * @param dresidual (N,C) or 0: dsum; may be dinp where pInp is 0
   * @param dweight (C) f32; 0 with dbias where they are frozen
   * @param dbias (C) f32; 0 where there is no bias
   * @param dsumExtra (N,C) or 0
   */
  public record Backward(
      long dinp,
      long dresidual,
      long dweight,
      long dbias,
      long dout,
      long dsumExtra,
      long sum,
      long mean,
      long rstd,
      long weight,
      long N,
      long C,
      float pInp,
      float pOut,
      long seed,
      long stream,
      boolean accumulateResidual,
      boolean accumulateWeight,
      DType dtype)
      implements RowCall {
    /** Of a weight that is frozen: its gradient would be one of all rows. */
    @Override
    public Backward ofRows(RowRange range) {
      Check.state(dweight == 0, "the weight of a norm is trained by several jobs");
      long row = C * dtype.sizeBytes();
      return new Backward(
          range.at(dinp, row),
          range.at(dresidual, row),
          0,
          0,
          range.at(dout, row),
          range.at(dsumExtra, row),
          range.at(sum, row),
          range.at(mean, Float.BYTES),
          range.at(rstd, Float.BYTES),
          weight,
          range.of(N),
          C,
          pInp,
          pOut,
          range.seed(),
          range.stream(stream),
          accumulateResidual,
          accumulateWeight,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.mayWrite(dinp);
      if (dinp != 0 && dinp == dresidual && pInp != 0) {
        frame.refuse("is dinp, p_inp is %s, must then be 0", pInp);
      }
      frame.mayWrite(dresidual).mayWrite(dweight);
      if (dweight == 0 && dbias != 0) {
        frame.refuse("is wanted without dweight");
      }
      frame.mayWrite(dbias);
      frame.reads(dout).mayRead(dsumExtra).reads(sum).reads(mean).reads(rstd).reads(weight);
      frame.count(N).columns(C, N, MAX_WIDTH);
      frame.probability(pInp).probability(pOut).any(seed).any(stream);
      frame.flag(accumulateResidual).flag(accumulateWeight).dtype(dtype);
    }
  }
}
