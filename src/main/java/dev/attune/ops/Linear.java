package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.Activation;
import dev.attune.tape.Node;
import dev.attune.tape.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))}. With an activation the
 * pre-activation is saved.
 */
public final class Linear implements Node {
  private final Tensor inp;
  private final Parameter weight;
  private final Parameter bias;
  private final Activation activation;
  private final long pre;
  private final Tensor out;

  private Linear(
      Tensor inp, Parameter weight, Parameter bias, Activation activation, long pre, Tensor out) {
    this.inp = inp;
    this.weight = weight;
    this.bias = bias;
    this.activation = activation;
    this.pre = pre;
    this.out = out;
  }

  /** Without activation. */
  public static Tensor apply(Tape tape, Tensor inp, Parameter weight, Parameter bias) {
    return apply(tape, inp, weight, bias, Activation.NONE);
  }

  /**
   * @param inp (N,C)
   * @param weight (F,C)
   * @param bias (F), or null
   * @return (N,F) of the type of inp
   */
  public static Tensor apply(
      Tape tape, Tensor inp, Parameter weight, Parameter bias, Activation activation) {
    long N = inp.rows();
    long C = inp.cols();
    long F = weight.rows();
    checkShapes(inp, weight, bias);
    Tensor out = tape.tensor(N, F, inp.dtype(), inp.requiresGrad() || weight.trainable());
    long pre =
        activation != Activation.NONE && tape.training() ? tape.allocate(out.sizeBytes()) : 0;
    tape.backend()
        .linearForward(
            out.address(),
            pre,
            inp.address(),
            weight.operand(inp.dtype()),
            bias == null ? 0 : bias.address(),
            N,
            C,
            F,
            activation,
            inp.dtype(),
            weight.operandDtype(inp.dtype()));
    countFlops(tape, N, C, F, inp, weight);
    return tape.record(new Linear(inp, weight, bias, activation, pre, out));
  }

  static void checkShapes(Tensor inp, Parameter weight, Parameter bias) {
    Check.argument(
        weight.cols() == inp.cols(),
        "%s is (%d, %d), its input has %d columns",
        weight.name(),
        weight.rows(),
        weight.cols(),
        inp.cols());
    Check.argument(
        bias == null || bias.count() == weight.rows(),
        "%s has %d rows, its bias %d entries",
        weight.name(),
        weight.rows(),
        bias == null ? 0 : bias.count());
  }

  /** Two FLOPs per multiply-add, once forward, once for each gradient that is wanted. */
  static void countFlops(Tape tape, long N, long C, long F, Tensor inp, Parameter weight) {
    long product = 2 * N * C * F;
    tape.countFlops(
        product, (inp.requiresGrad() ? product : 0) + (weight.trainable() ? product : 0));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    long dout = out.gradient();
    if (activation != Activation.NONE) {
      tape.backend()
          .activationBackward(
              dout, dout, pre, out.rows() * out.cols(), activation, false, out.dtype());
    }
    weightGradients(tape, weight, bias, dout, inp.address(), inp);
    inputGradient(tape, weight, dout, inp);
  }

  static void weightGradients(
      Tape tape, Parameter weight, Parameter bias, long dout, long values, Tensor like) {
    if (!weight.trainable()) {
      return;
    }
    boolean accumulate = weight.accumulate();
    long dbias = 0;
    if (bias != null) {
      // One flag serves both: a bias is written whenever its weight is.
      Check.state(
          bias.accumulate() == accumulate, "%s and its bias are out of step", weight.name());
      dbias = bias.gradient();
    }
    tape.backend()
        .linearBackwardWeight(
            weight.gradient(),
            dbias,
            dout,
            values,
            like.rows(),
            weight.cols(),
            weight.rows(),
            accumulate,
            like.dtype());
  }

  static void inputGradient(Tape tape, Parameter weight, long dout, Tensor inp) {
    if (!inp.requiresGrad()) {
      return;
    }
    boolean accumulate = inp.gradient() != 0;
    tape.backend()
        .linearBackwardInput(
            tape.gradientOf(inp),
            0,
            dout,
            weight.operand(inp.dtype()),
            0,
            inp.rows(),
            weight.cols(),
            weight.rows(),
            Activation.NONE,
            accumulate,
            inp.dtype(),
            weight.operandDtype(inp.dtype()));
  }

  @Override
  public void release(Tape tape) {
    if (pre != 0) {
      tape.free(pre);
    }
  }
}
