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

  /** What the loss of each row counts in the loss of all, which may depend on the losses. */
  @FunctionalInterface
  public interface RowWeights {
    /**
     * Called once the losses of all rows are there.
     *
     * @return (M), the derivative of what is minimised by each of them; finite
     */
    float[] get();
  }

  private final Tape tape;
  private final Tensor inp;
  private final Parameter weight;
  private final AdaptedWeight adapted;
  private final long labels;
  private final long losses;
  private final long M;
  private final long C;
  private final long V;
  private final int size; // of an element
  private final long chunk; // rows
  private final long logits; // (chunk,V)
  private final Low low; // null: the product has no adapter
  private final long dinp; // 0: not wanted
  private final boolean wantsWeight;
  private final boolean wantsBias;

  private LinearCrossEntropy(Tape tape, Tensor inp, Projection product, long labels, long losses) {
    this.tape = tape;
    this.inp = inp;
    this.weight = product.weight();
    this.adapted = product.adapted();
    this.labels = labels;
    this.losses = losses;
    this.M = inp.rows();
    this.C = inp.cols();
    this.V = weight.rows();
    Check.argument(
        weight.cols() == C,
        "%s is (%d, %d), its input has %d columns",
        weight.name(),
        V,
        weight.cols(),
        C);
    Check.state(inp.gradient() == 0, "the input of the last product has a second consumer");
    this.size = inp.dtype().sizeBytes();
    this.chunk = Math.min(Math.max(M, 1), chunkRows(V * size));
    this.logits = tape.allocate(chunk * V * size);
    this.dinp = tape.training() && inp.requiresGrad() ? tape.gradientOf(inp) : 0;
    this.wantsWeight = tape.training() && weight.trainable();
    this.low = M == 0 ? null : Low.of(tape, inp, product);
    this.wantsBias = tape.training() && adapted.bias() != null && adapted.bias().trainable();
  }

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
    LinearCrossEntropy op = new LinearCrossEntropy(tape, inp, product, labels, losses);
    boolean wantsAny = op.wantsGradient();
    for (long first = 0; first < op.M; first += op.chunk) {
      long rows = op.rows(first);
      op.multiply(first, rows);
      if (predictions != 0) {
        tape.run(
            new ArgmaxCall(
                predictions + first * Integer.BYTES, op.logits, rows, op.V, inp.dtype()));
      }
      op.entropy(first, 0, rows, wantsAny, labelSmoothing, 1f);
      op.backward(first, rows);
    }
    op.finish();
  }

  /**
   * The same where what a row's loss counts is known only once all losses are: they are computed
   * first, then the logits again with their gradient, those of the last chunk apart, which are
   * still there. Without a gradient the losses alone are computed, and weights are asked for all
   * the same. Work that asks cannot be recorded.
   */
  public static void weighted(
      Tape tape, Tensor inp, Projection product, long labels, long losses, RowWeights weights) {
    LinearCrossEntropy op = new LinearCrossEntropy(tape, inp, product, labels, losses);
    long last = op.M == 0 ? 0 : (op.M - 1) / op.chunk * op.chunk;
    for (long first = 0; first < op.M; first += op.chunk) {
      op.multiply(first, op.rows(first));
      op.entropy(first, 0, op.rows(first), false, 0f, 1f);
    }
    float[] counts = weights.get();
    if (tape.training() && op.M > 0) {
      for (long first = last; first >= 0; first -= op.chunk) {
        if (first < last) {
          op.multiply(first, op.rows(first));
        }
        op.entropies(first, op.rows(first), counts);
        op.backward(first, op.rows(first));
      }
    }
    op.finish();
  }

  /**
   * The same where what each row's loss counts is known before.
   *
   * @param counts (M), finite
   */
  public static void weighted(
      Tape tape, Tensor inp, Projection product, long labels, long losses, float[] counts) {
    LinearCrossEntropy op = new LinearCrossEntropy(tape, inp, product, labels, losses);
    for (long first = 0; first < op.M; first += op.chunk) {
      long rows = op.rows(first);
      op.multiply(first, rows);
      op.entropies(first, rows, counts);
      op.backward(first, rows);
    }
    op.finish();
  }

  /** Rows of the chunk that begins with one. */
  private long rows(long first) {
    return Math.min(chunk, M - first);
  }

  private boolean wantsGradient() {
    return dinp != 0 || wantsWeight || wantsBias || low != null && tape.training();
  }

  /** The logits of a chunk. */
  private void multiply(long first, long rows) {
    tape.run(
        new LinearCall.Forward(
            logits,
            0,
            inp.address() + first * C * size,
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
  }

  /**
   * Losses of some rows of a chunk and, in place of their logits, the gradient.
   *
   * @param first row of the chunk
   * @param from of the rows, counted from it
   */
  private void entropy(
      long first, long from, long rows, boolean wantsGradient, float labelSmoothing, float scale) {
    long at = logits + from * V * size;
    tape.run(
        new CrossEntropyCall(
            losses + (first + from) * Float.BYTES,
            wantsGradient ? at : 0,
            at,
            labels + (first + from) * Integer.BYTES,
            rows,
            V,
            CrossEntropy.IGNORE,
            labelSmoothing,
            scale,
            inp.dtype()));
  }

  /** The same of rows that count differently: those that count alike, and follow, at a time. */
  private void entropies(long first, long rows, float[] counts) {
    boolean wantsAny = wantsGradient();
    for (long from = 0; from < rows; ) {
      long to = from + 1;
      float count = counts[(int) (first + from)];
      while (to < rows && counts[(int) (first + to)] == count) {
        to++;
      }
      entropy(first, from, to - from, wantsAny, 0f, count);
      from = to;
    }
  }

  /** What follows from the gradient of a chunk's logits. */
  private void backward(long first, long rows) {
    long x = inp.address() + first * C * size;
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

  private void finish() {
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
