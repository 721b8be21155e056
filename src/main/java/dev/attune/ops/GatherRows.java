package dev.attune.ops;

import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** {@code out (M,C) = inp[rows]}: first-token pooling, and narrowing to the rows that matter. */
public final class GatherRows implements Node {
  private final Tensor inp;
  private final long rows;
  private final Tensor out;

  private GatherRows(Tensor inp, long rows, Tensor out) {
    this.inp = inp;
    this.rows = rows;
    this.out = out;
  }

  /**
   * @param inp (N,C)
   * @param rows (M) i32 on the device, distinct
   * @return (M,C)
   */
  public static Tensor apply(Tape tape, Tensor inp, long rows, long M) {
    Tensor out = tape.tensor(M, inp.cols(), inp.dtype(), inp.requiresGrad());
    tape.run(
        new GatherRowsCall.Forward(out.address(), inp.address(), rows, M, inp.cols(), inp.dtype()));
    return tape.record(new GatherRows(inp, rows, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    boolean accumulate = inp.gradient() != 0;
    tape.run(
        new GatherRowsCall.Backward(
            tape.gradientOf(inp),
            out.gradient(),
            rows,
            inp.rows(),
            out.rows(),
            inp.cols(),
            accumulate,
            inp.dtype()));
  }
}
