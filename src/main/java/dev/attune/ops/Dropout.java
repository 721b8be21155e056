package dev.attune.ops;

import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** Dropout where no neighbouring op can fuse it. */
public final class Dropout implements Node {
  private final Tensor inp;
  private final float probability;
  private final long stream;
  private final Tensor out;

  private Dropout(Tensor inp, float probability, long stream, Tensor out) {
    this.inp = inp;
    this.probability = probability;
    this.stream = stream;
    this.out = out;
  }

  /**
   * @param inp of any shape
   * @param probability applied in training only
   */
  public static Tensor apply(Tape tape, Tensor inp, float probability) {
    float p = tape.dropout(probability);
    long stream = tape.takeStreams(1);
    if (p == 0) {
      return inp;
    }
    Tensor out = tape.tensor(inp.rows(), inp.cols(), inp.dtype(), inp.requiresGrad());
    tape.run(
        new DropoutCall(
            out.address(),
            inp.address(),
            inp.rows() * inp.cols(),
            p,
            tape.seed(),
            stream,
            inp.dtype()));
    return tape.record(new Dropout(inp, p, stream, out));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    if (!inp.requiresGrad()) {
      return;
    }
    // A second consumer has left a gradient: this one's is made in place and added.
    boolean isShared = inp.gradient() != 0;
    long dinp = tape.gradientOf(inp);
    tape.run(
        new DropoutCall(
            isShared ? out.gradient() : dinp,
            out.gradient(),
            out.rows() * out.cols(),
            probability,
            tape.seed(),
            stream,
            out.dtype()));
    if (isShared) {
      long count = out.rows() * out.cols();
      tape.run(new CastCall(dinp, out.gradient(), count, true, inp.dtype(), out.dtype()));
    }
  }
}
