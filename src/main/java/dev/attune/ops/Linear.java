package dev.attune.ops;

import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))}. With an activation the
 * pre-activation is saved.
 */
public final class Linear implements Node {
  private final Tensor inp;
  private final Projection projection;
  private final Activation activation;
  private final LowRank.Saved saved;
  private final long pre;
  private final Tensor out;

  private Linear(
      Tensor inp,
      Projection projection,
      Activation activation,
      LowRank.Saved saved,
      long pre,
      Tensor out) {
    this.inp = inp;
    this.projection = projection;
    this.activation = activation;
    this.saved = saved;
    this.pre = pre;
    this.out = out;
  }

  /** Without activation. */
  public static Tensor apply(Tape tape, Tensor inp, Projection projection) {
    return apply(tape, inp, projection, Activation.NONE);
  }

  /**
   * @param inp (N,C)
   * @param projection weight (F,C)
   * @return (N,F) of the type of inp
   */
  public static Tensor apply(Tape tape, Tensor inp, Projection projection, Activation activation) {
    projection.checkInput(inp.cols());
    Tensor out =
        tape.tensor(
            inp.rows(),
            projection.rows(),
            inp.dtype(),
            inp.requiresGrad() || projection.trainable(tape));
    long pre =
        activation != Activation.NONE && tape.training() ? tape.allocate(out.sizeBytes()) : 0;
    LowRank.Saved saved =
        projection.forward(
            tape,
            out.address(),
            pre,
            inp.address(),
            inp.rows(),
            activation,
            inp.dtype(),
            inp.requiresGrad());
    return tape.record(new Linear(inp, projection, activation, saved, pre, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    long dout = out.gradient();
    if (activation != Activation.NONE) {
      tape.run(
          new ActivationCall.Backward(
              dout, dout, pre, out.rows() * out.cols(), activation, false, out.dtype()));
    }
    projection.backwardWeight(tape, saved, dout, inp.address(), inp.rows(), inp.dtype());
    inputGradient(tape, projection, saved, dout, inp);
  }

  static void inputGradient(
      Tape tape, Projection projection, LowRank.Saved saved, long dout, Tensor inp) {
    if (!inp.requiresGrad()) {
      return;
    }
    boolean accumulate = inp.gradient() != 0;
    projection.backwardInput(
        tape,
        saved,
        tape.gradientOf(inp),
        0,
        dout,
        0,
        inp.rows(),
        Activation.NONE,
        accumulate,
        inp.dtype());
  }

  @Override
  public void release(Tape tape) {
    projection.release(tape, saved);
    if (pre != 0) {
      tape.free(pre);
    }
  }
}
