package dev.attune.ops;

import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.GatedCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * A gated feed-forward block (Shazeer, GLU variants, 2020): {@code out (N,C) = (act(inp gate^T) .*
 * (inp up^T)) down^T}. One product makes gate and up; only its result (N,2F) is kept for backward,
 * whose pass over it returns the hidden values again.
 */
public final class GatedMlp implements Node {
  private final Tensor inp;
  private final Projection gateUp;
  private final Projection down;
  private final Activation activation;
  private final LowRank.Saved gateUpSaved;
  private final LowRank.Saved downSaved;
  private final long pre;
  private final Tensor out;

  private GatedMlp(
      Tensor inp,
      Projection gateUp,
      Projection down,
      Activation activation,
      LowRank.Saved gateUpSaved,
      LowRank.Saved downSaved,
      long pre,
      Tensor out) {
    this.inp = inp;
    this.gateUp = gateUp;
    this.down = down;
    this.activation = activation;
    this.gateUpSaved = gateUpSaved;
    this.downSaved = downSaved;
    this.pre = pre;
    this.out = out;
  }

  /**
   * @param inp (N,C)
   * @param gateUp (2F,C): gate above up
   * @param down (C,F)
   * @return (N,C) of the type of inp
   */
  public static Tensor apply(
      Tape tape, Tensor inp, Projection gateUp, Projection down, Activation activation) {
    gateUp.checkInput(inp.cols());
    long N = inp.rows();
    long F = down.cols();
    int size = inp.dtype().sizeBytes();
    boolean hiddenNeedsGradient = inp.requiresGrad() || gateUp.trainable(tape);
    Tensor out =
        tape.tensor(N, down.rows(), inp.dtype(), hiddenNeedsGradient || down.trainable(tape));
    long pre = tape.allocate(2 * N * F * size);
    LowRank.Saved gateUpSaved =
        gateUp.forward(
            tape, pre, 0, inp.address(), N, Activation.NONE, inp.dtype(), inp.requiresGrad());
    long hidden = tape.allocate(N * F * size);
    tape.run(new GatedCall.Forward(hidden, pre, N, F, activation, inp.dtype()));
    LowRank.Saved downSaved =
        down.forward(
            tape, out.address(), 0, hidden, N, Activation.NONE, inp.dtype(), hiddenNeedsGradient);
    tape.free(hidden);
    return tape.record(
        new GatedMlp(inp, gateUp, down, activation, gateUpSaved, downSaved, pre, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    long N = inp.rows();
    long F = down.cols();
    long dout = out.gradient();
    long hiddenBytes = N * F * inp.dtype().sizeBytes();
    if (down.hasAdapters(tape)) {
      // The adapters' gradients come first: the hidden gradient needs theirs.
      long hidden = tape.allocate(hiddenBytes);
      tape.run(new GatedCall.Forward(hidden, pre, N, F, activation, inp.dtype()));
      down.backwardWeight(tape, downSaved, dout, hidden, N, inp.dtype());
      tape.free(hidden);
    }
    long dhidden = tape.allocate(hiddenBytes);
    down.backwardInput(
        tape, downSaved, dhidden, 0, dout, 0, N, Activation.NONE, false, inp.dtype());
    // In place: the gate's and up's gradients replace their values, the hidden values its gradient.
    tape.run(new GatedCall.Backward(pre, dhidden, dhidden, pre, N, F, activation, inp.dtype()));
    if (!down.hasAdapters(tape)) {
      down.backwardWeight(tape, downSaved, dout, dhidden, N, inp.dtype());
    }
    tape.free(dhidden);
    gateUp.backwardWeight(tape, gateUpSaved, pre, inp.address(), N, inp.dtype());
    Linear.inputGradient(tape, gateUp, gateUpSaved, pre, inp);
  }

  @Override
  public void release(Tape tape) {
    gateUp.release(tape, gateUpSaved);
    down.release(tape, downSaved);
    tape.free(pre);
  }
}
