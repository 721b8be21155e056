package dev.attune.store;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The sums of squares that make up the norm of the gradients of a flat store: those that products
 * have left as they wrote whole gradients, and of all stretches between them sums that are made
 * when they are asked for. Most of a model's gradients are then not read for the norm.
 */
public final class GradientSquares implements AutoCloseable {
  private final Backend backend;
  private final Buffer gradients;
  private final long begin;
  private final long end;
  private final int tensors;
  private final List<Left> left = new ArrayList<>(); // in the order of their first use
  private Buffer sums; // f64: of what is left, in that order; then of the stretches between

  /** What a product leaves: the sum of elements first..end-1, unless somebody has written since. */
  private static final class Left {
    final long first;
    final long end;
    boolean isValid;

    Left(long first, long end) {
      this.first = first;
      this.end = end;
    }
  }

  /**
   * @param gradients f32
   * @param begin first element of the norm
   * @param end behind the last
   * @param tensors in which these lie
   */
  GradientSquares(Backend backend, Buffer gradients, long begin, long end, int tensors) {
    this.backend = backend;
    this.gradients = gradients;
    this.begin = begin;
    this.end = end;
    this.tensors = tensors;
  }

  private Buffer sums() {
    if (sums == null) {
      // Of as many products as there are tensors, and of as many stretches between them and around;
      // and of the rows of the word embedding.
      long most = 2L * tensors + 2;
      sums = Buffer.allocate(backend, most * Double.BYTES, true, "the sums of gradients");
    }
    return sums;
  }

  /**
   * Where the op that is about to write all of elements first..end-1 leaves their sum; 0 where
   * there is no room for one more.
   */
  long leave(long first, long end) {
    for (int i = 0; i < left.size(); i++) {
      if (left.get(i).first == first && left.get(i).end == end) {
        left.get(i).isValid = true;
        return slot(i);
      }
    }
    forget(first, end);
    if (left.size() == tensors) {
      return 0;
    }
    Left one = new Left(first, end);
    one.isValid = true;
    left.add(one);
    return slot(left.size() - 1);
  }

  private long slot(int i) {
    return sums().address() + (long) i * Double.BYTES;
  }

  /** To be called when elements first..end-1 are written. */
  void forget(long first, long end) {
    for (Left one : left) {
      if (one.first < end && first < one.end) {
        one.isValid = false;
      }
    }
  }

  /**
   * Enqueues the sums of what no product has summed.
   *
   * @return how many sums there are from {@link #address} on
   */
  public int complete() {
    List<Left> valid = new ArrayList<>();
    for (int i = 0; i < left.size(); i++) {
      if (left.get(i).isValid) {
        valid.add(left.get(i));
      } else {
        backend.run(new FillZeroCall(slot(i), Double.BYTES));
      }
    }
    valid.sort((one, other) -> Long.compare(one.first, other.first));
    int count = left.size();
    long done = begin;
    for (Left one : valid) {
      count += sum(count, done, one.first);
      done = one.end;
    }
    return count + sum(count, done, end);
  }

  private int sum(int i, long first, long behind) {
    if (first >= behind) {
      return 0;
    }
    long address = gradients.address() + first * Float.BYTES;
    backend.run(new SumOfSquaresCall.Flat(slot(i), address, behind - first));
    return 1;
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
