package dev.attune.ops;

import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.core.Check;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.store.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * The product with a vocabulary and its softmax cross-entropy, the end of a language model's tape:
 * in chunks of rows, so that the logits (N,V) are never held whole (Hsu et al., Liger Kernel,
 * 2024). Leaves the gradient of the <em>summed</em> loss in the input and in the weight.
 */
public final class LinearCrossEntropy {
  /** Bytes of logits held at a time: enough rows for an efficient product at any vocabulary. */
  private static final long CHUNK_BYTES = 64L << 20;

  private static final long MIN_ROWS = 16;

  private LinearCrossEntropy() {}

  /** Rows of a chunk for logits of so many bytes a row. */
  static long chunkRows(long rowBytes) {
    return Math.max(MIN_ROWS, CHUNK_BYTES / rowBytes);
  }

  /**
   * @param inp (M,C)
   * @param weight (V,C)
   * @param labels (M) i32 on the device; {@link CrossEntropy#IGNORE} is not supervised
   * @param losses (M) f32 on the device, overwritten
   * @param predictions (M) i32 on the device, the most probable token of each row; 0: not wanted
   * @param labelSmoothing 0..1
   */
  public static void apply(
      Tape tape,
      Tensor inp,
      Parameter weight,
      long labels,
      long losses,
      long predictions,
      float labelSmoothing) {
    long M = inp.rows();
    long C = inp.cols();
    long V = weight.rows();
    Check.argument(
        weight.cols() == C,
        "%s is (%d, %d), its input has %d columns",
        weight.name(),
        V,
        weight.cols(),
        C);
    Check.state(inp.gradient() == 0, "the input of the last product has a second consumer");
    Backend backend = tape.backend();
    int size = inp.dtype().sizeBytes();
    long chunk = Math.min(Math.max(M, 1), chunkRows(V * size));
    long logits = tape.allocate(chunk * V * size);
    long dinp = tape.training() && inp.requiresGrad() ? tape.gradientOf(inp) : 0;
    boolean wantsWeight = tape.training() && weight.trainable();
    boolean wantsAny = dinp != 0 || wantsWeight;
    for (long first = 0; first < M; first += chunk) {
      long rows = Math.min(chunk, M - first);
      long x = inp.address() + first * C * size;
      backend.run(new LinearCall.Forward(
          logits,
          0,
          x,
          weight.operand(inp.dtype()),
          0,
          rows,
          C,
          V,
          Activation.NONE,
          inp.dtype(),
          weight.operandDtype(inp.dtype())));
      if (predictions != 0) {
        backend.run(new ArgmaxCall(predictions + first * Integer.BYTES, logits, rows, V, inp.dtype()));
      }
      backend.run(new CrossEntropyCall(
          losses + first * Float.BYTES,
          wantsAny ? logits : 0,
          logits,
          labels + first * Integer.BYTES,
          rows,
          V,
          CrossEntropy.IGNORE,
          labelSmoothing,
          1f,
          inp.dtype()));
      if (wantsWeight) {
        backend.run(new LinearCall.BackwardWeight(
            weight.gradient(), 0, logits, x, rows, C, V, weight.accumulate(), inp.dtype()));
      }
      if (dinp != 0) {
        backend.run(new LinearCall.BackwardInput(
            dinp + first * C * size,
            0,
            logits,
            weight.operand(inp.dtype()),
            0,
            rows,
            C,
            V,
            Activation.NONE,
            false,
            inp.dtype(),
            weight.operandDtype(inp.dtype())));
      }
    }
    tape.free(logits);
    long product = 2 * M * C * V;
    tape.countFlops(product, (dinp != 0 ? product : 0) + (wantsWeight ? product : 0));
  }
}
