package dev.attune.optim;

import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.HostMirror;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;

/** The global L2 norm of all gradients, as PyTorch's clip_grad_norm_ measures it. */
public final class GradientNorm implements AutoCloseable {
  private final Parameters parameters;
  private final HostMirror result;

  public GradientNorm(Parameters parameters) {
    this.parameters = parameters;
    this.result = new HostMirror(parameters.backend(), 2 * Double.BYTES, false);
  }

  /** The norm of the gradients as they lie in the store. */
  public double measure() {
    RowSparse sparse = parameters.rowSparse();
    enqueue(sparse == null ? 0 : sparse.rowCount());
    result.pull(0, 2 * Double.BYTES);
    double sum = result.host().getDouble(0);
    return Math.sqrt(sparse == null ? sum : sum + result.host().getDouble(Double.BYTES));
  }

  /**
   * Enqueues the sums of squares whose root the norm is, {@link #sumCount} of them at {@link
   * #sumsAddress}.
   *
   * @param sparseRows how many of the listed rows of the word embedding are looked at
   */
  public void enqueue(int sparseRows) {
    long sparseEnd = parameters.rowSparseEnd();
    long address = parameters.gradients().address();
    parameters
        .backend()
        .run(new SumOfSquaresCall.Flat(
            result.address(), address + sparseEnd * Float.BYTES, parameters.size() - sparseEnd));
    RowSparse sparse = parameters.rowSparse();
    if (sparse != null) {
      parameters
          .backend()
          .run(new SumOfSquaresCall.Rows(
              result.address() + Double.BYTES,
              address,
              sparse.rowsAddress(),
              sparseRows,
              sparse.table().cols()));
    }
  }

  /** Address of the sums, f64. */
  public long sumsAddress() {
    return result.address();
  }

  public int sumCount() {
    return parameters.rowSparse() == null ? 1 : 2;
  }

  /** What gradients are multiplied by so that their norm is at most {@code maxNorm} (0: any). */
  public static double clipFactor(double norm, double maxNorm) {
    return maxNorm <= 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
  }

  @Override
  public void close() {
    result.close();
  }
}
