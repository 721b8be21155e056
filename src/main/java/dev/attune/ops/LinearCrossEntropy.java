package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.store.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * The product with a vocabulary and its softmax cross-entropy, the end of a language model's tape:
 * in chunks of rows, so that the logits (N,V) are never held whole (Hsu et al., Liger Kernel,
 * 2024). Leaves the gradient of the <em>summed</em> loss in the input, in the weight and in the
 * bias.
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
   * @param product weight (V,C) with a bias or without, with an adapter or without
   * @param labels (M) i32 on the device; {@link CrossEntropy#IGNORE} is not supervised
   * @param losses (M) f32 on the device, overwritten
   * @param predictions (M) i32 on the device, the most probable token of each row; 0: not wanted
   * @param labelSmoothing 0..1
   */
  public static void apply(
      Tape tape,
      Tensor inp,
      Projection product,
      long labels,
      long losses,
      long predictions,
      float labelSmoothing) {
    Parameter weight = product.weight();
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
    int size = inp.dtype().sizeBytes();
    long chunk = Math.min(Math.max(M, 1), chunkRows(V * size));
    long logits = tape.allocate(chunk * V * size);
    long dinp = tape.training() && inp.requiresGrad() ? tape.gradientOf(inp) : 0;
    boolean wantsWeight = tape.training() && weight.trainable();
    Low low = M == 0 ? null : Low.of(tape, inp, product);
    AdaptedWeight adapted = product.adapted();
    boolean wantsBias = tape.training() && adapted.bias() != null && adapted.bias().trainable();
    boolean wantsAny = dinp != 0 || wantsWeight || wantsBias || low != null && tape.training();
    for (long first = 0; first < M; first += chunk) {
      long rows = Math.min(chunk, M - first);
      long x = inp.address() + first * C * size;
      tape.run(
          new LinearCall.Forward(
              logits,
              0,
              x,
              weight.operand(inp.dtype()),
              adapted.biasAddress(),
              rows,
              C,
              V,
              Activation.NONE,
              inp.dtype(),
              weight.operandDtype(inp.dtype())));
      if (low != null) {
        low.add(tape, logits, first, rows);
      }
      if (predictions != 0) {
        tape.run(
            new ArgmaxCall(predictions + first * Integer.BYTES, logits, rows, V, inp.dtype()));
      }
      tape.run(
          new CrossEntropyCall(
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
      if (low != null && tape.training()) {
        low.backward(tape, logits, first, rows);
      }
      if (wantsWeight) {
        boolean accumulate = weight.accumulate();
        tape.run(
            new LinearCall.BackwardWeight(
                weight.gradient(),
                wantsBias ? biasGradient(adapted.bias(), accumulate) : 0,
                logits,
                x,
                rows,
                C,
                V,
                accumulate,
                inp.dtype()));
      } else if (wantsBias) {
        Product.backwardBias(tape, adapted, logits, rows, inp.dtype());
      }
      if (dinp != 0) {
        tape.run(
            new LinearCall.BackwardInput(
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
    if (low != null) {
      low.finish(tape, inp, dinp);
    }
    long flops = 2 * M * C * V;
    tape.countFlops(flops, (dinp != 0 ? flops : 0) + (wantsWeight ? flops : 0));
  }

  /**
   * The gradient of the bias, ready for the flag of its weight's: the word embedding may have been
   * written alone where a batch before had no row that is learned.
   */
  private static long biasGradient(Parameter bias, boolean accumulate) {
    if (accumulate) {
      return bias.addableGradient();
    }
    Check.state(!bias.accumulate(), "%s was written before its weight", bias.name());
    return bias.gradient();
  }

  /**
   * What the product's low-rank adapter does to the logits.
   *
   * @param seen (M,C) what A multiplies: the input, or a block of its own under dropout
   * @param low (M,R) its product
   * @param dlow (M,R) the gradient of that; 0 in inference
   */
  private record Low(
      Adapter adapter, long V, long seen, long low, long dlow, float p, long stream, DType dtype) {
    /** Null where the product has no adapter. */
    static Low of(Tape tape, Tensor inp, Projection product) {
      if (!product.hasAdapters()) {
        return null;
      }
      LowRank lowRank = product.lowRank();
      Adapter adapter = product.adapted().adapters().get(0);
      DType dtype = inp.dtype();
      long M = inp.rows();
      float p = lowRank.dropout(tape);
      long stream = tape.takeStreams(1);
      long seen =
          p == 0 ? inp.address() : lowRank.dropped(tape, inp.address(), M, p, stream, dtype);
      long low = LowRank.low(tape, adapter, seen, M, dtype);
      long dlow = tape.training() ? tape.allocate(M * adapter.rank() * dtype.sizeBytes()) : 0;
      long flops = 2 * M * adapter.rank() * (product.cols() + product.rows());
      tape.countFlops(flops, 2 * flops);
      return new Low(adapter, product.rows(), seen, low, dlow, p, stream, dtype);
    }

    private long offset(long row) {
      return row * adapter.rank() * dtype.sizeBytes();
    }

    void add(Tape tape, long logits, long first, long rows) {
      LowRank.add(tape, adapter, logits, low + offset(first), rows, V, dtype);
    }

    void backward(Tape tape, long dlogits, long first, long rows) {
      long at = offset(first);
      LowRank.backwardUp(tape, adapter, dlow + at, dlogits, low + at, rows, V, dtype);
    }

    /** Gradients of A and, added, of the input; all blocks are freed. */
    void finish(Tape tape, Tensor inp, long dinp) {
      long M = inp.rows();
      if (dlow != 0) {
        Product.backwardWeight(tape, adapter.down(), null, dlow, seen, M, dtype);
        if (dinp != 0 && p == 0) {
          Product.backwardInput(tape, dinp, dlow, adapter.down(), M, true, dtype);
        } else if (dinp != 0) {
          long count = M * inp.cols();
          long dseen = tape.allocate(inp.sizeBytes());
          Product.backwardInput(tape, dseen, dlow, adapter.down(), M, false, dtype);
          tape.run(new DropoutCall(dseen, dseen, count, p, tape.seed(), stream, dtype));
          tape.run(new CastCall(dinp, dseen, count, true, dtype, dtype));
          tape.free(dseen);
        }
        tape.free(dlow);
      }
      tape.free(low);
      if (seen != inp.address()) {
        tape.free(seen);
      }
    }
  }
}
