package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** {@code out = a + b}, in the memory of a: the two branches of a parallel residual. */
public final class Add implements Node {
  private final Tensor a;
  private final Tensor b;
  private final Tensor out;

  private Add(Tensor a, Tensor b, Tensor out) {
    this.a = a;
    this.b = b;
    this.out = out;
  }

  /**
   * @param a (N,C); consumed
   * @param b (N,C)
   */
  public static Tensor apply(Tape tape, Tensor a, Tensor b) {
    Check.argument(
        a.rows() == b.rows() && a.cols() == b.cols() && a.dtype() == b.dtype(),
        "an addition of different shapes");
    tape.run(
        new CastCall(a.address(), b.address(), a.rows() * a.cols(), true, a.dtype(), b.dtype()));
    return tape.record(new Add(a, b, tape.rename(a, a.requiresGrad() || b.requiresGrad())));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    Check.state(a.gradient() == 0 && b.gradient() == 0, "an addend has a second consumer");
    if (a.requiresGrad() && b.requiresGrad()) {
      // b, recorded last, is visited at once and may read the block. Until a is visited, the
      // block's
      // owner may have added to it: a stream that both branches start from.
      tape.run(new CopyCall(tape.gradientOf(a), out.gradient(), out.sizeBytes()));
      tape.moveGradient(out, b);
    } else if (a.requiresGrad() || b.requiresGrad()) {
      tape.moveGradient(out, a.requiresGrad() ? a : b);
    }
  }
}
