package dev.attune.ops;

import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * The feed-forward block of a transformer layer: {@code out (N,C) = act(inp (N,C) * up (F,C)^T +
 * upBias) * down (C,F)^T + downBias}. Only the pre-activation (N,F) is kept for backward: the
 * epilogue of the product that needs act' returns act again for the price of a store.
 */
public final class Mlp implements Node {
  private final Tensor inp;
  private final Projection up;
  private final Projection down;
  private final Activation activation;
  private final LowRank.Saved upSaved;
  private final LowRank.Saved downSaved;
  private final long pre;
  private final Tensor out;

  private Mlp(
      Tensor inp,
      Projection up,
      Projection down,
      Activation activation,
      LowRank.Saved upSaved,
      LowRank.Saved downSaved,
      long pre,
      Tensor out) {
    this.inp = inp;
    this.up = up;
    this.down = down;
    this.activation = activation;
    this.upSaved = upSaved;
    this.downSaved = downSaved;
    this.pre = pre;
    this.out = out;
  }

  /**
   * @param inp (N,C)
   * @param up (F,C)
   * @param down (C,F)
   * @return (N,C) of the type of inp
   */
  public static Tensor apply(
      Tape tape, Tensor inp, Projection up, Projection down, Activation activation) {
    up.checkInput(inp.cols());
    long N = inp.rows();
    long hiddenBytes = N * up.rows() * inp.dtype().sizeBytes();
    boolean hiddenNeedsGradient = inp.requiresGrad() || up.trainable(tape);
    Tensor out =
        tape.tensor(N, down.rows(), inp.dtype(), hiddenNeedsGradient || down.trainable(tape));
    long pre = tape.training() ? tape.allocate(hiddenBytes) : 0;
    long hidden = tape.allocate(hiddenBytes);
    LowRank.Saved upSaved =
        up.forward(
            tape, hidden, pre, inp.address(), N, activation, inp.dtype(), inp.requiresGrad());
    LowRank.Saved downSaved =
        down.forward(
            tape, out.address(), 0, hidden, N, Activation.NONE, inp.dtype(), hiddenNeedsGradient);
    tape.free(hidden);
    return tape.record(new Mlp(inp, up, down, activation, upSaved, downSaved, pre, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    long N = inp.rows();
    long dout = out.gradient();
    long hiddenBytes = N * up.rows() * inp.dtype().sizeBytes();
    long hidden = tape.allocate(hiddenBytes);
    long dpre = tape.allocate(hiddenBytes);
    if (down.hasAdapters(tape)) {
      // Their gradients need act(pre), and the input's gradient needs theirs.
      tape.run(new ActivationCall.Forward(hidden, pre, N * up.rows(), activation, inp.dtype()));
      down.backwardWeight(tape, downSaved, dout, hidden, N, inp.dtype());
      down.backwardInput(tape, downSaved, dpre, 0, dout, pre, N, activation, false, inp.dtype());
    } else {
      down.backwardInput(
          tape, downSaved, dpre, hidden, dout, pre, N, activation, false, inp.dtype());
      down.backwardWeight(tape, downSaved, dout, hidden, N, inp.dtype());
    }
    tape.free(hidden);
    up.backwardWeight(tape, upSaved, dpre, inp.address(), N, inp.dtype());
    Linear.inputGradient(tape, up, upSaved, dpre, inp);
    tape.free(dpre);
  }

  @Override
  public void release(Tape tape) {
    up.release(tape, upSaved);
    down.release(tape, downSaved);
    if (pre != 0) {
      tape.free(pre);
    }
  }
}
