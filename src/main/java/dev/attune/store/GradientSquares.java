package dev.attune.store;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import java.util.Arrays;

/**
 * The sums of squares that make up the norm of the gradients of a flat store: those that products
 * have left as they wrote whole gradients, and of all stretches between them sums that are made
 * when they are asked for. Most of a model's gradients are then not read for the norm.
 *
 * <p>Each tensor has a place for a sum, in the order of the store, whoever came first: so a run
 * that was resumed adds them in the order of one that was not.
 */
public final class GradientSquares implements AutoCloseable {
  private final Backend backend;
  private final Buffer gradients;
  private final long[] starts; // of the tensors, and where the last one ends
  private final long[] ends; // of what a product has summed that starts there; 0: of nothing
  private final boolean[] zero; // whether a place is known to hold 0
  private Buffer sums; // f64, of the tensors; one more for who adds a sum of his own

  /**
   * @param gradients f32
   * @param starts first elements of the tensors in the norm, rising, and behind the last
   */
  GradientSquares(Backend backend, Buffer gradients, long[] starts) {
    this.backend = backend;
    this.gradients = gradients;
    this.starts = starts;
    this.ends = new long[starts.length - 1];
    this.zero = new boolean[starts.length - 1];
    Arrays.fill(zero, true);
  }

  private Buffer sums() {
    if (sums == null) {
      long bytes = (long) starts.length * Double.BYTES;
      sums = Buffer.allocate(backend, bytes, true, "the sums of gradients");
    }
    return sums;
  }

  private long place(int tensor) {
    return sums().address() + (long) tensor * Double.BYTES;
  }

  /**
   * Where the op that is about to write all of some tensors leaves their sum.
   *
   * @param first element of theirs
   * @param end behind their last
   */
  long leave(long first, long end) {
    forget(first, end);
    int tensor = Arrays.binarySearch(starts, first);
    ends[tensor] = end;
    zero[tensor] = false;
    return place(tensor);
  }

  /** To be called when elements first..end-1 are written. */
  void forget(long first, long end) {
    for (int i = 0; i < ends.length && starts[i] < end; i++) {
      if (first < ends[i]) {
        ends[i] = 0;
      }
    }
  }

  /**
   * Enqueues the sums of what no product has summed.
   *
   * @return how many sums there are from {@link #address} on
   */
  public int complete() {
    for (int i = 0; i < ends.length; ) {
      boolean isLeft = ends[i] > 0;
      int next = i + 1;
      while (next < ends.length && (isLeft ? starts[next] < ends[i] : ends[next] == 0)) {
        next++;
      }
      if (!isLeft) {
        zero[i] = false;
        long address = gradients.address() + starts[i] * Float.BYTES;
        backend.run(new SumOfSquaresCall.Flat(place(i), address, starts[next] - starts[i]));
      }
      clear(i + 1, next);
      i = next;
    }
    return ends.length;
  }

  private void clear(int begin, int end) {
    for (int i = begin; i < end; i++) {
      if (!zero[i]) {
        zero[i] = true;
        backend.run(new FillZeroCall(place(i), Double.BYTES));
      }
    }
  }

  /** How many sums products have told. */
  int told() {
    return (int) Arrays.stream(ends).filter(end -> end > 0).count();
  }

  /** Of the first sum, f64. */
  public long address() {
    return sums().address();
  }

  @Override
  public void close() {
    if (sums != null) {
      sums.close();
    }
  }
}
