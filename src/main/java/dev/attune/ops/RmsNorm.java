package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.RmsNormCall;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Residual add and root mean square norm (Zhang and Sennrich, 2019): {@code sum = inp + residual,
 * out = sum / rms(sum) .* weight}. The sum is saved in inp's own memory and is the residual of the
 * next one.
 */
public final class RmsNorm implements Node {
  private final Tensor inp;
  private final Tensor residual;
  private final Parameter weight;
  private final long rstd;
  private final Tensor sum;
  private final Tensor out;

  private RmsNorm(
      Tensor inp, Tensor residual, Parameter weight, long rstd, Tensor sum, Tensor out) {
    this.inp = inp;
    this.residual = residual;
    this.weight = weight;
    this.rstd = rstd;
    this.sum = sum;
    this.out = out;
  }

  /**
   * @param inp (N,C); consumed: its memory becomes that of the sum
   * @param residual (N,C), or null
   * @param weight (C)
   * @param eps added to the mean square
   */
  public static Normed apply(Tape tape, Tensor inp, Tensor residual, Parameter weight, float eps) {
    long N = inp.rows();
    long C = inp.cols();
    Check.argument(
        weight.count() == C,
        "%s has %d entries, its input %d columns",
        weight.name(),
        weight.count(),
        C);
    boolean sumNeedsGradient = inp.requiresGrad() || (residual != null && residual.requiresGrad());
    Tensor out = tape.tensor(N, C, inp.dtype(), sumNeedsGradient || weight.trainable());
    long rstd = tape.allocate(N * Float.BYTES);
    tape.run(
        new RmsNormCall.Forward(
            out.address(),
            residual == null ? 0 : inp.address(),
            rstd,
            inp.address(),
            residual == null ? 0 : residual.address(),
            weight.address(),
            N,
            1,
            C,
            C,
            C,
            eps,
            inp.dtype()));
    Tensor sum = tape.rename(inp, sumNeedsGradient);
    tape.record(new RmsNorm(inp, residual, weight, rstd, sum, out));
    return new Normed(out, sum);
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    boolean accumulate = weight.trainable() && weight.accumulate();
    if (!sum.requiresGrad() && !weight.trainable()) {
      return;
    }
    long extra = sum.gradient();
    long dsum = tape.gradientOf(sum);
    tape.run(
        new RmsNormCall.Backward(
            dsum,
            weight.trainable() ? weight.gradient() : 0,
            out.gradient(),
            extra,
            sum.address(),
            rstd,
            weight.address(),
            out.rows(),
            1,
            out.cols(),
            out.cols(),
            out.cols(),
            accumulate,
            out.dtype()));
    PreNorm.passOn(tape, sum, inp, residual);
  }

  @Override
  public void release(Tape tape) {
    tape.free(rstd);
    PreNorm.release(tape, sum);
  }
}
