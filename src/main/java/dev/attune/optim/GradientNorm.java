package dev.attune.optim;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import dev.attune.store.GradientSquares;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;

/** The global L2 norm of all gradients, measured and clipped as PyTorch's clip_grad_norm_ does. */
public final class GradientNorm implements AutoCloseable {
  private final Parameters parameters;
  private final Buffer result; // the norm

  public GradientNorm(Parameters parameters) {
    this.parameters = parameters;
    this.result = Buffer.allocate(parameters.backend(), Double.BYTES, false, "the gradient's norm");
  }

  /**
   * Enqueues measuring, and tells the step block the factor that makes the norm at most {@code
   * maxNorm}. A norm that is not finite stops the optimizer.
   *
   * @param sparseRows how many of the listed rows of the word embedding are looked at
   * @param maxNorm 0: gradients are not clipped
   */
  public void clip(int sparseRows, double maxNorm) {
    Backend backend = parameters.backend();
    GradientSquares squares = parameters.squares();
    int count = squares.complete();
    RowSparse sparse = parameters.rowSparse();
    if (sparse != null) {
      backend.run(
          new SumOfSquaresCall.Rows(
              squares.address() + (long) count++ * Double.BYTES,
              parameters.gradients().address(),
              sparse.rowsAddress(),
              sparseRows,
              sparse.table().cols()));
    }
    // A bound beyond the range of f32 is still one, and not 0, which means that there is none.
    double least = maxNorm > 0 ? Float.MIN_VALUE : 0;
    float bound = (float) Math.max(least, Math.min(maxNorm, Float.MAX_VALUE));
    backend.run(new StepCall.Clip(address(), squares.address(), count, bound));
  }

  /** Address of the norm, f64: of the gradients divided by the targets, before clipping. */
  public long address() {
    return result.address();
  }

  @Override
  public void close() {
    result.close();
  }
}
