package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * {@code out (M,C) = inp[rows]}, each row as often as it is named, where {@link GatherRows} takes
 * it once: the rows are a table, and backward adds up what belongs to each.
 */
public final class RepeatRows implements Node {
  private final Tensor inp;
  private final long rows;
  private final Tensor out;

  private RepeatRows(Tensor inp, long rows, Tensor out) {
    this.inp = inp;
    this.rows = rows;
    this.out = out;
  }

  /**
   * @param inp (N,C) f32
   * @param rows (M) i32 on the device
   * @return (M,C) f32
   */
  public static Tensor apply(Tape tape, Tensor inp, long rows, long M) {
    Check.argument(inp.dtype() == DType.F32, "rows to repeat are f32, not %s", inp.dtype());
    Tensor out = tape.tensor(M, inp.cols(), DType.F32, inp.requiresGrad());
    tape.run(
        new EmbeddingCall.Forward(
            out.address(),
            inp.address(),
            0,
            0,
            rows,
            0,
            0,
            M,
            inp.cols(),
            inp.rows(),
            0,
            0,
            DType.F32));
    return tape.record(new RepeatRows(inp, rows, out));
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
      tape.run(new FillZeroCall(dinp, inp.sizeBytes()));
    }
    tape.run(
        new EmbeddingCall.Backward(
            dinp, 0, 0, out.gradient(), rows, 0, 0, out.rows(), out.cols(), DType.F32));
  }
}
