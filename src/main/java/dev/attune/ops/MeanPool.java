package dev.attune.ops;

import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** {@code out (B,C)}: the mean of each sequence's rows. */
public final class MeanPool implements Node {
  private final Tensor inp;
  private final long cuSeqlens;
  private final Tensor out;

  private MeanPool(Tensor inp, long cuSeqlens, Tensor out) {
    this.inp = inp;
    this.cuSeqlens = cuSeqlens;
    this.out = out;
  }

  /**
   * @param inp (N,C)
   * @param cuSeqlens (B+1) i32 on the device
   * @return (B,C)
   */
  public static Tensor apply(Tape tape, Tensor inp, long cuSeqlens, long B) {
    Tensor out = tape.tensor(B, inp.cols(), inp.dtype(), inp.requiresGrad());
    tape.run(
        new MeanPoolCall.Forward(
            out.address(), inp.address(), cuSeqlens, B, inp.cols(), inp.dtype()));
    return tape.record(new MeanPool(inp, cuSeqlens, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    boolean accumulate = inp.gradient() != 0;
    tape.run(
        new MeanPoolCall.Backward(
            tape.gradientOf(inp),
            out.gradient(),
            cuSeqlens,
            out.rows(),
            inp.cols(),
            accumulate,
            inp.dtype()));
  }
}
