package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.tape.Loan;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which gradients a step has written: the first op to write one overwrites what is there, so that
 * none is ever zeroed first.
 *
 * <p>Until then their memory is free, and is lent for activations. Backward writes the gradients of
 * the last layer first, when activations of all layers are there, and those of the first layer
 * last, when none are. So those of a layer lie where the gradients of layers below it will be: they
 * are gone when these are written.
 */
final class GradientClaims implements Loan {
  /** What is shorter is not lent: it would be cut up. */
  private static final long LEAST_LENT_BYTES = 4096;

  private final Backend backend;
  private final Buffer gradients;
  private final List<Segment> segments;
  private final long rowSparseEnd;
  private final GradientSquares squares;
  private final boolean[] written;
  private final List<List<Stretch>> lent = new ArrayList<>(); // by layer
  private Arena borrower; // null: nothing was ever lent

  GradientClaims(
      Backend backend,
      Buffer gradients,
      List<Segment> segments,
      long rowSparseEnd,
      GradientSquares squares) {
    this.backend = backend;
    this.gradients = gradients;
    this.segments = segments;
    this.rowSparseEnd = rowSparseEnd;
    this.squares = squares;
    this.written = new boolean[segments.size()];
    long end = rowSparseEnd;
    long begin = end;
    int layer = -1;
    for (Segment segment : segments) {
      boolean isOfLayer = !segment.frozen() && segment.decays() && segment.depth().isOfLayer();
      int next = isOfLayer ? segment.depth().layer() : -1;
      // What lies between two segments is zero and counts in the norm: it is not lent.
      if (next != layer || segment.first() != end) {
        offer(layer, begin, end);
        begin = segment.first();
        layer = next;
      }
      end = segment.first() + segment.count();
    }
    offer(layer, begin, end);
  }

  private void offer(int layer, long begin, long end) {
    if (layer < 0 || (end - begin) * Float.BYTES < LEAST_LENT_BYTES) {
      return;
    }
    while (lent.size() <= layer) {
      lent.add(new ArrayList<>());
    }
    lent.get(layer).add(new Stretch(begin, end));
  }

  @Override
  public void lend(int layer, Arena arena) {
    if (layer >= lent.size() || anyWritten()) {
      return;
    }
    borrower = arena;
    for (Stretch stretch : lent.get(layer)) {
      arena.lend(address(stretch.begin()), (stretch.end() - stretch.begin()) * Float.BYTES);
    }
  }

  /** See {@link Parameter#accumulate}: segments of one claim end in the same state. */
  boolean claim(int begin, int end) {
    Segment first = segments.get(begin);
    if (first.first() < rowSparseEnd) {
      return true; // zero between steps
    }
    Segment last = segments.get(end - 1);
    long behind = last.first() + last.count();
    Check.state(
        borrower == null || !borrower.holds(address(first.first()), address(behind)),
        "the gradient of %s is written where activations still are",
        first.name());
    squares.forget(first.first(), behind);
    boolean any = false;
    boolean every = true;
    for (int i = begin; i < end; i++) {
      any |= written[i];
      every &= written[i];
    }
    for (int i = begin; i < end; i++) {
      if (any && !every && !written[i]) {
        zero(segments.get(i));
      }
      written[i] = true;
    }
    return any;
  }

  /** Makes the gradients that nobody has written zero. */
  void zeroUnwritten() {
    for (int i = 0; i < written.length; i++) {
      Segment segment = segments.get(i);
      if (!written[i] && !segment.frozen() && segment.first() >= rowSparseEnd) {
        zero(segment);
      }
    }
  }

  private void zero(Segment segment) {
    backend.run(new FillZeroCall(address(segment.first()), segment.count() * Float.BYTES));
  }

  private long address(long element) {
    return gradients.address() + element * Float.BYTES;
  }

  private boolean anyWritten() {
    for (boolean isWritten : written) {
      if (isWritten) {
        return true;
      }
    }
    return false;
  }

  /** Nothing is written. */
  void forget() {
    Arrays.fill(written, false);
  }

  /** What is written, by segment. */
  boolean[] written() {
    return written.clone();
  }

  /** Takes over what {@link #written} gave. */
  void restore(boolean[] gradientsWritten) {
    System.arraycopy(gradientsWritten, 0, written, 0, written.length);
  }
}
