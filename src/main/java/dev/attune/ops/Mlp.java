package dev.attune.ops;

import dev.attune.kernels.Activation;
import dev.attune.tape.Node;
import dev.attune.tape.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * The feed-forward block of a transformer layer: {@code out (N,C) = act(inp (N,C) * up (F,C)^T +
 * upBias) * down (C,F)^T + downBias}. Only the pre-activation (N,F) is kept for backward: the
 * epilogue of the product that needs act' returns act again for the price of a store.
 */
public final class Mlp implements Node {
  private final Tensor inp;
  private final Parameter up;
  private final Parameter upBias;
  private final Parameter down;
  private final Parameter downBias;
  private final Activation activation;
  private final long pre;
  private final Tensor out;

  private Mlp(
      Tensor inp,
      Parameter up,
      Parameter upBias,
      Parameter down,
      Parameter downBias,
      Activation activation,
      long pre,
      Tensor out) {
    this.inp = inp;
    this.up = up;
    this.upBias = upBias;
    this.down = down;
    this.downBias = downBias;
    this.activation = activation;
    this.pre = pre;
    this.out = out;
  }

  /**
   * @param inp (N,C)
   * @param up (F,C) with upBias (F)
   * @param down (C,F) with downBias (C)
   * @return (N,C) of the type of inp
   */
  public static Tensor apply(
      Tape tape,
      Tensor inp,
      Parameter up,
      Parameter upBias,
      Parameter down,
      Parameter downBias,
      Activation activation) {
    Linear.checkShapes(inp, up, upBias);
    long N = inp.rows();
    long C = inp.cols();
    long F = up.rows();
    long hiddenBytes = N * F * inp.dtype().sizeBytes();
    Tensor out =
        tape.tensor(
            N, down.rows(), inp.dtype(), inp.requiresGrad() || up.trainable() || down.trainable());
    long pre = tape.training() ? tape.allocate(hiddenBytes) : 0;
    long hidden = tape.allocate(hiddenBytes);
    tape.backend()
        .linearForward(
            hidden,
            pre,
            inp.address(),
            up.operand(inp.dtype()),
            upBias.address(),
            N,
            C,
            F,
            activation,
            inp.dtype(),
            up.operandDtype(inp.dtype()));
    tape.backend()
        .linearForward(
            out.address(),
            0,
            hidden,
            down.operand(inp.dtype()),
            downBias.address(),
            N,
            F,
            down.rows(),
            Activation.NONE,
            inp.dtype(),
            down.operandDtype(inp.dtype()));
    tape.free(hidden);
    long products = 2 * N * C * F + 2 * N * F * down.rows();
    tape.countFlops(products, 2 * products);
    return tape.record(new Mlp(inp, up, upBias, down, downBias, activation, pre, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    long N = inp.rows();
    long F = up.rows();
    long dout = out.gradient();
    long hiddenBytes = N * F * inp.dtype().sizeBytes();
    long hidden = tape.allocate(hiddenBytes);
    long dpre = tape.allocate(hiddenBytes);
    tape.backend()
        .linearBackwardInput(
            dpre,
            hidden,
            dout,
            down.operand(inp.dtype()),
            pre,
            N,
            F,
            down.rows(),
            activation,
            false,
            inp.dtype(),
            down.operandDtype(inp.dtype()));
    Linear.weightGradients(tape, down, downBias, dout, hidden, inp);
    tape.free(hidden);
    Linear.weightGradients(tape, up, upBias, dpre, inp.address(), inp);
    Linear.inputGradient(tape, up, dpre, inp);
    tape.free(dpre);
  }

  @Override
  public void release(Tape tape) {
    if (pre != 0) {
      tape.free(pre);
    }
  }
}
