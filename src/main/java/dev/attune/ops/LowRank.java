package dev.attune.ops;

import dev.attune.core.DType;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.LoraCall;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.tape.Tape;
import java.util.List;

/** What the low-rank adapters of a weight do to its product: plain ones, or weight-decomposed. */
abstract class LowRank {
  /**
   * What a forward leaves for its backward.
   *
   * @param lows blocks (N,R) of {@code dropout(inp) A^T}, one per adapter; backward replaces them
   *     by their gradients
   * @param product of weight-decomposed adapters: what is multiplied by the gain (N,F), which
   *     backward replaces likewise; else 0
   * @param stream first random stream of the adapters' dropout
   * @param jobs what each job has left in a pass that several share; else none
   */
  record Saved(long[] lows, long product, long stream, List<Saved> jobs) {
    /** Of a weight without adapters. */
    static final Saved NOTHING = new Saved(new long[0], 0, 0);

    Saved(long[] lows, long product, long stream) {
      this(lows, product, stream, List.of());
    }

    /** Of several jobs. */
    Saved(List<Saved> jobs) {
      this(new long[0], 0, 0, jobs);
    }

    void release(Tape tape) {
      jobs.forEach(job -> job.release(tape));
      for (long low : lows) {
        tape.free(low);
      }
      if (product != 0) {
        tape.free(product);
      }
    }
  }

  final AdaptedWeight adapted;

  LowRank(AdaptedWeight adapted) {
    this.adapted = adapted;
  }

  /** {@code out (N,F)}, without activation. */
  abstract Saved forward(Tape tape, long out, long inp, long N, DType dtype);

  /** Gradients of everything here that is trained, from {@code dout (N,F)}. */
  abstract void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype);

  /** {@code dinp (N,C) (+)=} the gradient of the input; follows {@link #backwardWeight}. */
  abstract void backwardInput(
      Tape tape, Saved saved, long dinp, long dout, long N, boolean accumulate, DType dtype);

  /** How often the weight is multiplied in a forward. */
  abstract int products(Tape tape);

  final long rows() {
    return adapted.rows();
  }

  /** The dropout probability of the adapters' input, 0 in inference. */
  final float dropout(Tape tape) {
    return tape.dropout(adapted.lora().dropout());
  }

  /** {@code dropout(inp)} (N,C), a new block. */
  final long dropped(Tape tape, long inp, long N, float p, long stream, DType dtype) {
    long count = N * adapted.cols();
    long dropped = tape.allocate(count * dtype.sizeBytes());
    tape.run(new DropoutCall(dropped, inp, count, p, tape.seed(), stream, dtype));
    return dropped;
  }

  /** {@code inp (N,C) A^T} (N,R), a new block. */
  static long low(Tape tape, Adapter adapter, long inp, long N, DType dtype) {
    long low = tape.allocate(N * adapter.rank() * dtype.sizeBytes());
    Product.forward(tape, low, inp, adapter.down(), 0, N, dtype);
    return low;
  }

  /** Adds {@code scale low B^T} to the adapter's columns of {@code out (N,F)}. */
  final void add(Tape tape, Adapter adapter, long out, long low, long N, DType dtype) {
    add(tape, adapter, out, low, N, rows(), dtype);
  }

  /**
   * The same.
   *
   * @param F columns of out
   */
  static void add(Tape tape, Adapter adapter, long out, long low, long N, long F, DType dtype) {
    tape.run(
        new LoraCall.Forward(
            out + adapter.firstColumn() * dtype.sizeBytes(),
            low,
            adapter.up().address(),
            N,
            adapter.up().rows(),
            adapter.rank(),
            F,
            adapter.rank(),
            adapter.scale(),
            dtype));
  }

  /**
   * Gradients of A and B from that of {@link #add}'s out.
   *
   * @param low (N,R); freed
   * @param inp (N,C), what A multiplied
   * @return the gradient of low, a new block
   */
  final long backward(
      Tape tape, Adapter adapter, long dout, long low, long inp, long N, DType dtype) {
    long dlow = tape.allocate(N * adapter.rank() * dtype.sizeBytes());
    backwardUp(tape, adapter, dlow, dout, low, N, rows(), dtype);
    Product.backwardWeight(tape, adapter.down(), null, dlow, inp, N, dtype);
    tape.free(low);
    return dlow;
  }

  /**
   * The gradients of B and of {@code low}.
   *
   * @param dlow (N,R), overwritten
   * @param F columns of dout
   */
  static void backwardUp(
      Tape tape, Adapter adapter, long dlow, long dout, long low, long N, long F, DType dtype) {
    long R = adapter.rank();
    tape.run(
        new LoraCall.Backward(
            dlow,
            adapter.up().gradient(),
            dout + adapter.firstColumn() * dtype.sizeBytes(),
            low,
            adapter.up().address(),
            N,
            adapter.up().rows(),
            R,
            F,
            R,
            adapter.scale(),
            adapter.up().accumulate(),
            dtype));
  }
}
