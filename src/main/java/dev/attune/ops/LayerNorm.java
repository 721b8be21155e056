package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.tape.Node;
import dev.attune.tape.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Fused dropout, residual add, layer norm (Ba et al., 2016) and dropout: {@code out =
 * dropoutOut(layerNorm(dropoutInp(inp) + residual))}. The sum is saved in inp's own memory, which
 * nobody reads afterwards.
 */
public final class LayerNorm implements Node {
  private final Tensor inp;
  private final Tensor residual;
  private final Parameter weight;
  private final Parameter bias;
  private final float inpDropout;
  private final float outDropout;
  private final long streams;
  private final long sum;
  private final long mean;
  private final long rstd;
  private final Tensor out;

  private LayerNorm(
      Tensor inp,
      Tensor residual,
      Parameter weight,
      Parameter bias,
      float inpDropout,
      float outDropout,
      long streams,
      long sum,
      long mean,
      long rstd,
      Tensor out) {
    this.inp = inp;
    this.residual = residual;
    this.weight = weight;
    this.bias = bias;
    this.inpDropout = inpDropout;
    this.outDropout = outDropout;
    this.streams = streams;
    this.sum = sum;
    this.mean = mean;
    this.rstd = rstd;
    this.out = out;
  }

  /**
   * @param inp (N,C); consumed: its values may not be read by another op
   * @param residual (N,C), or null
   * @param weight (C)
   * @param bias (C)
   * @param eps added to the variance
   * @param inpDropout probability on inp, outDropout on the result; training only
   * @return (N,C)
   */
  public static Tensor apply(
      Tape tape,
      Tensor inp,
      Tensor residual,
      Parameter weight,
      Parameter bias,
      float eps,
      float inpDropout,
      float outDropout) {
    long N = inp.rows();
    long C = inp.cols();
    Check.argument(
        weight.count() == C && bias.count() == C,
        "%s has %d entries, its input %d columns",
        weight.name(),
        weight.count(),
        C);
    Check.argument(
        residual == null || (residual.rows() == N && residual.cols() == C),
        "the residual of %s has another shape than its input",
        weight.name());
    float pInp = tape.dropout(inpDropout);
    float pOut = tape.dropout(outDropout);
    long streams = tape.takeStreams(2);
    Tensor out =
        tape.tensor(
            N,
            C,
            inp.dtype(),
            inp.requiresGrad()
                || (residual != null && residual.requiresGrad())
                || weight.trainable());
    long mean = tape.allocate(N * Float.BYTES);
    long rstd = tape.allocate(N * Float.BYTES);
    tape.backend()
        .layerNormForward(
            out.address(),
            inp.address(),
            mean,
            rstd,
            inp.address(),
            residual == null ? 0 : residual.address(),
            weight.address(),
            bias.address(),
            N,
            C,
            eps,
            pInp,
            pOut,
            tape.seed(),
            streams,
            inp.dtype());
    long sum = tape.take(inp);
    return tape.record(
        new LayerNorm(inp, residual, weight, bias, pInp, pOut, streams, sum, mean, rstd, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    Check.state(inp.gradient() == 0, "the input of a layer norm has a second consumer");
    boolean accumulateResidual = residual != null && residual.gradient() != 0;
    boolean accumulateWeight = weight.trainable() && weight.accumulate();
    Check.state(
        !bias.trainable() || bias.accumulate() == accumulateWeight,
        "%s and its bias are out of step",
        weight.name());
    tape.backend()
        .layerNormBackward(
            inp.requiresGrad() ? tape.gradientOf(inp) : 0,
            residual != null && residual.requiresGrad() ? tape.gradientOf(residual) : 0,
            weight.trainable() ? weight.gradient() : 0,
            bias.trainable() ? bias.gradient() : 0,
            out.gradient(),
            0,
            sum,
            mean,
            rstd,
            weight.address(),
            out.rows(),
            out.cols(),
            inpDropout,
            outDropout,
            tape.seed(),
            streams,
            accumulateResidual,
            accumulateWeight,
            out.dtype());
  }

  @Override
  public void release(Tape tape) {
    tape.free(sum);
    tape.free(mean);
    tape.free(rstd);
  }
}
