package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Fused dropout, residual add, layer norm (Ba et al., 2016) and dropout: {@code out =
 * dropoutOut(layerNorm(dropoutInp(inp) + residual))}. The sum is saved in inp's own memory, which
 * nobody reads afterwards.
 */
public final class LayerNorm implements Node {
  /**
   * What a layer norm is made of.
   *
   * @param weight (C)
   * @param bias (C), or null
   * @param eps added to the variance
   */
  public record Affine(Parameter weight, Parameter bias, float eps) {
    /** Whether a gradient is wanted for anything here. */
    boolean trainable() {
      return weight.trainable() || bias != null && bias.trainable();
    }

    void check(long C) {
      Check.argument(
          weight.count() == C && (bias == null || bias.count() == C),
          "%s has %d entries, its input %d columns",
          weight.name(),
          weight.count(),
          C);
    }
  }

  /** What becomes of the sum. */
  private enum Sum {
    /** Only backward reads it. */
    SAVED,
    /** It is an output: the residual stream of a pre-norm model. */
    OUTPUT,
    /** It is another op's tensor. */
    BORROWED
  }

  private final Tensor inp;
  private final Tensor residual;
  private final Affine affine;
  private final float inpDropout;
  private final float outDropout;
  private final long streams;
  private final Sum kind;
  private final Tensor sum;
  private final long mean;
  private final long rstd;
  private final Tensor out;

  private LayerNorm(
      Tape tape,
      Tensor inp,
      Tensor residual,
      Affine affine,
      float inpDropout,
      float outDropout,
      Sum kind) {
    long N = inp.rows();
    long C = inp.cols();
    affine.check(C);
    Check.argument(
        residual == null || (residual.rows() == N && residual.cols() == C),
        "the residual of %s has another shape than its input",
        affine.weight.name());
    boolean sumNeedsGradient = inp.requiresGrad() || (residual != null && residual.requiresGrad());
    this.inp = inp;
    this.residual = residual;
    this.affine = affine;
    this.inpDropout = tape.dropout(inpDropout);
    this.outDropout = tape.dropout(outDropout);
    this.streams = tape.takeStreams(2);
    this.kind = kind;
    this.out = tape.tensor(N, C, inp.dtype(), sumNeedsGradient || affine.trainable());
    this.mean = tape.allocate(N * Float.BYTES);
    this.rstd = tape.allocate(N * Float.BYTES);
    tape.run(
        new LayerNormCall.Forward(
            out.address(),
            inp.address(),
            mean,
            rstd,
            inp.address(),
            residual == null ? 0 : residual.address(),
            affine.weight.address(),
            affine.bias == null ? 0 : affine.bias.address(),
            N,
            C,
            affine.eps,
            this.inpDropout,
            this.outDropout,
            tape.seed(),
            streams,
            inp.dtype()));
    this.sum = kind == Sum.BORROWED ? inp : tape.rename(inp, sumNeedsGradient);
  }

  /**
   * After a sub-layer.
   *
   * @param inp (N,C); consumed: its values may not be read by another op
   * @param residual (N,C), or null
   * @param inpDropout probability on inp, outDropout on the result; training only
   * @return (N,C)
   */
  public static Tensor apply(
      Tape tape, Tensor inp, Tensor residual, Affine affine, float inpDropout, float outDropout) {
    return tape.record(
        new LayerNorm(tape, inp, residual, affine, inpDropout, outDropout, Sum.SAVED));
  }

  /**
   * Before a sub-layer.
   *
   * @param inp (N,C), the sub-layer before; consumed
   * @param residual (N,C), the stream around it, or null at the first
   * @param inpDropout probability on inp
   */
  public static Normed applyBefore(
      Tape tape, Tensor inp, Tensor residual, Affine affine, float inpDropout) {
    LayerNorm node = new LayerNorm(tape, inp, residual, affine, inpDropout, 0f, Sum.OUTPUT);
    return new Normed(tape.record(node), node.sum);
  }

  /** A second norm of a residual stream: {@code sum} (N,C) stays. */
  public static Tensor applyBeside(Tape tape, Tensor sum, Affine affine) {
    return tape.record(new LayerNorm(tape, sum, null, affine, 0f, 0f, Sum.BORROWED));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    switch (kind) {
      case BORROWED -> {
        boolean accumulate = sum.gradient() != 0;
        backward(tape, 0, sum.requiresGrad() ? tape.gradientOf(sum) : 0, 0, accumulate);
      }
      case SAVED -> {
        Check.state(inp.gradient() == 0, "the input of a layer norm has a second consumer");
        boolean accumulate = residual != null && residual.gradient() != 0;
        backward(
            tape,
            inp.requiresGrad() ? tape.gradientOf(inp) : 0,
            residual != null && residual.requiresGrad() ? tape.gradientOf(residual) : 0,
            0,
            accumulate);
      }
      case OUTPUT -> {
        if (inpDropout > 0 && inp.requiresGrad()) {
          boolean both = residual != null && residual.requiresGrad();
          backward(
              tape,
              tape.gradientOf(inp),
              both ? tape.gradientOf(residual) : 0,
              sum.gradient(),
              false);
        } else {
          // The gradient of the sum is that of both addends: one block serves both.
          long dsum = sum.requiresGrad() ? tape.allocate(sum.sizeBytes()) : 0;
          backward(tape, 0, dsum, sum.gradient(), false);
          tape.dropGradient(sum);
          tape.giveGradient(sum, dsum);
          PreNorm.passOn(tape, sum, inp, residual);
        }
      }
    }
  }

  private void backward(
      Tape tape, long dinp, long dresidual, long dsumExtra, boolean accumulateResidual) {
    Parameter weight = affine.weight;
    Parameter bias = affine.bias;
    boolean trainsBias = bias != null && bias.trainable();
    boolean accumulate = weight.trainable() ? weight.accumulate() : trainsBias && bias.accumulate();
    Check.state(
        !weight.trainable() || !trainsBias || bias.accumulate() == accumulate,
        "%s and its bias are out of step",
        weight.name());
    // The kernel has no gradient of a bias without that of its weight.
    long unwanted =
        trainsBias && !weight.trainable() ? tape.allocate(weight.count() * Float.BYTES) : 0;
    tape.run(
        new LayerNormCall.Backward(
            dinp,
            dresidual,
            weight.trainable() ? weight.gradient() : unwanted,
            trainsBias ? bias.gradient() : 0,
            out.gradient(),
            dsumExtra,
            sum.address(),
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
            accumulate,
            out.dtype()));
    if (unwanted != 0) {
      tape.free(unwanted);
    }
  }

  @Override
  public void release(Tape tape) {
    tape.free(mean);
    tape.free(rstd);
    switch (kind) {
      case SAVED -> tape.discard(sum);
      case OUTPUT -> PreNorm.release(tape, sum);
      case BORROWED -> {}
    }
  }
}
