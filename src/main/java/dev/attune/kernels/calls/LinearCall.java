package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Products with a weight (F,C), of N rows. */
public final class LinearCall {
  private LinearCall() {}

  /**
   * {@code out (N,F) = act(inp (N,C) * weight^T + bias (F))}.
   *
   * @param pre (N,F) or 0: receives the pre-activation
   * @param bias f32, or 0
   */
  public record Forward(
      long out,
      long pre,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation,
      DType dtype,
      DType weightDtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).mayWrite(pre).reads(inp).reads(weight).mayRead(bias);
      frame.count(N).columns(C, Math.max(N, F)).columns(F, N);
      frame.activation(activation).dtype(dtype).weightDtype(weightDtype, C);
    }
  }

  /**
   * {@code dinp (N,C) (+)= (dout (N,F) * weight) .* act'(pre (N,C))}.
   *
   * @param actOut (N,C) or 0: receives {@code act(pre)}
   * @param pre 0 where the input of the product had no activation
   */
  public record BackwardInput(
      long dinp,
      long actOut,
      long dout,
      long weight,
      long pre,
      long N,
      long C,
      long F,
      Activation activation,
      boolean accumulate,
      DType dtype,
      DType weightDtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dinp).mayWrite(actOut).reads(dout).reads(weight);
      frame.reads(pre, activation != Activation.NONE || actOut != 0);
      frame.count(N).columns(C, Math.max(N, F)).columns(F, N);
      frame.activation(activation).flag(accumulate).dtype(dtype).weightDtype(weightDtype, C);
    }
  }

  /**
   * {@code dweight (F,C) (+)= dout^T * inp}.
   *
   * @param dbias (F) or 0: {@code (+)=} the column sums of dout
   * @param squares (1) f64 or 0: the sum of the squares of dweight as it is then
   */
  public record BackwardWeight(
      long dweight,
      long dbias,
      long squares,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype)
      implements Call {
    /** Without the squares. */
    public BackwardWeight(
        long dweight,
        long dbias,
        long dout,
        long inp,
        long N,
        long C,
        long F,
        boolean accumulate,
        DType dtype) {
      this(dweight, dbias, 0, dout, inp, N, C, F, accumulate, dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.alwaysWrites(dweight).mayWrite(dbias).mayWrite(squares).reads(dout).reads(inp);
      frame.count(N).columns(C, Math.max(N, F)).columns(F, N);
      frame.flag(accumulate).dtype(dtype);
    }
  }
}
