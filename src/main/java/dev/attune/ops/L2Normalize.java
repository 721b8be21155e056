package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.L2NormalizeCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** {@code out (N,D)}: unit vectors, times a scale, of the first D columns of rows. */
public final class L2Normalize implements Node {
  private final Tensor inp;
  private final float scale;
  private final long rnorm; // (N) f32
  private final Tensor out;

  private L2Normalize(Tensor inp, float scale, long rnorm, Tensor out) {
    this.inp = inp;
    this.scale = scale;
    this.rnorm = rnorm;
    this.out = out;
  }

  /**
   * @param inp (N,C) f32
   * @param D columns that count, at most C
   * @return (N,D) f32
   */
  public static Tensor apply(Tape tape, Tensor inp, long D, float scale) {
    Check.argument(inp.dtype() == DType.F32, "unit vectors are f32, not %s", inp.dtype());
    Tensor out = tape.tensor(inp.rows(), D, DType.F32, inp.requiresGrad());
    long rnorm = tape.allocate(inp.rows() * Float.BYTES);
    tape.run(
        new L2NormalizeCall.Forward(
            out.address(), rnorm, inp.address(), inp.rows(), D, inp.cols(), scale));
    return tape.record(new L2Normalize(inp, scale, rnorm, out));
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
        new L2NormalizeCall.Backward(
            dinp, out.gradient(), inp.address(), rnorm, out.rows(), out.cols(), inp.cols(), scale));
  }

  @Override
  public void release(Tape tape) {
    tape.free(rnorm);
  }
}
