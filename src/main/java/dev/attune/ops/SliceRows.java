package dev.attune.ops;

import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * {@code out (M,C) = inp[first .. first + M]}: the rows of one job of several, for its own loss.
 */
public final class SliceRows implements Node {
  private final Tensor inp;
  private final long first;
  private final Tensor out;

  private SliceRows(Tensor inp, long first, Tensor out) {
    this.inp = inp;
    this.first = first;
    this.out = out;
  }

  /**
   * @param inp (N,C); its other consumers must be of this kind too, of other rows
   * @return (M,C)
   */
  public static Tensor apply(Tape tape, Tensor inp, long first, long M) {
    Tensor out = tape.tensor(M, inp.cols(), inp.dtype(), inp.requiresGrad());
    SliceRows node = new SliceRows(inp, first, out);
    tape.run(new CopyCall(out.address(), node.rows(inp.address()), out.sizeBytes()));
    return tape.record(node);
  }

  private long rows(long address) {
    return address + first * inp.cols() * inp.dtype().sizeBytes();
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    boolean isFirst = inp.gradient() == 0;
    long dinp = tape.gradientOf(inp);
    if (isFirst) {
      tape.run(new FillZeroCall(dinp, inp.sizeBytes())); // of rows that nobody reads
    }
    tape.run(new CopyCall(rows(dinp), out.gradient(), out.sizeBytes()));
  }
}
