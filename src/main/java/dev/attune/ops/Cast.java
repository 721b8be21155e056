package dev.attune.ops;

import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** Converts activations between f32 and bf16: heads compute in f32 on a bf16 body. */
public final class Cast implements Node {
  private final Tensor inp;
  private final Tensor out;

  private Cast(Tensor inp, Tensor out) {
    this.inp = inp;
    this.out = out;
  }

  /** {@code inp} in another type; {@code inp} itself if it has that type. */
  public static Tensor apply(Tape tape, Tensor inp, DType dtype) {
    if (inp.dtype() == dtype) {
      return inp;
    }
    Tensor out = tape.tensor(inp.rows(), inp.cols(), dtype, inp.requiresGrad());
    tape.run(
        new CastCall(
            out.address(), inp.address(), inp.rows() * inp.cols(), false, dtype, inp.dtype()));
    return tape.record(new Cast(inp, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    boolean accumulate = inp.gradient() != 0;
    tape.run(
        new CastCall(
            tape.gradientOf(inp),
            out.gradient(),
            out.rows() * out.cols(),
            accumulate,
            inp.dtype(),
            out.dtype()));
  }
}
