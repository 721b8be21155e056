package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.FillZeroCall;

/**
 * A weight matrix or vector: a range of the flat store. It may cover several Hugging Face tensors
 * that lie one after another (query, key and value of a layer), so that one product serves them
 * all; {@link #slice} narrows it to some of them, or to rows of one.
 */
public final class Parameter {
  private final Parameters store;
  private final int segmentBegin;
  private final int segmentEnd;
  private final Segment first;
  private final long offset; // elements of the first tensor that come before
  private final long rows;
  private final long cols;

  Parameter(Parameters store, int segmentBegin, int segmentEnd, long rows, long cols) {
    this(store, segmentBegin, segmentEnd, 0, rows, cols);
  }

  private Parameter(
      Parameters store, int segmentBegin, int segmentEnd, long offset, long rows, long cols) {
    this.store = store;
    this.segmentBegin = segmentBegin;
    this.segmentEnd = segmentEnd;
    this.first = store.segments().get(segmentBegin);
    this.offset = offset;
    this.rows = rows;
    this.cols = cols;
  }

  /** The name of the (first) tensor it covers. */
  public String name() {
    return first.name();
  }

  public long rows() {
    return rows;
  }

  public long cols() {
    return cols;
  }

  public long count() {
    return rows * cols;
  }

  /** Address of the values: f32 master values, or frozen ones of {@link #dtype}. */
  public long address() {
    return store.address(first) + offset * first.dtype().sizeBytes();
  }

  /** How the values are held. */
  public DType dtype() {
    return first.dtype();
  }

  /** Whether the values are packed in 4 or 8 bits. */
  public boolean isQuantized() {
    return first.dtype().sizeBytes() == 0;
  }

  /** The type in which products of such activations read the weight. */
  public DType operandDtype(DType activations) {
    return store.operandDtype(first, activations);
  }

  /** Where products of such activations read the weight: the master, or a copy of it. */
  public long operand(DType activations) {
    return store.operandAddress(first, activations)
        + offset * operandDtype(activations).sizeBytes();
  }

  /** Whether this parameter takes a gradient. */
  public boolean trainable() {
    return store.trainable() && !first.frozen();
  }

  /**
   * Some of its rows, or entries of a vector: whole tensors of those it covers, or a part of one.
   * The new parameter shares values and gradient.
   *
   * @param begin first row or entry
   * @param end behind the last
   */
  public Parameter slice(long begin, long end) {
    boolean vector = first.shape().length == 1;
    long width = vector ? 1 : cols;
    Check.argument(
        0 <= begin && begin < end && end * width <= count(),
        "slice %d..%d of %s",
        begin,
        end,
        name());
    Check.state(!isQuantized() || (end - begin) * width == count(), "%s is packed whole", name());
    int from = segmentBegin;
    long before = begin * width + offset;
    while (before >= store.segments().get(from).count()) {
      before -= store.segments().get(from++).count();
    }
    int to = from;
    long covered = 0;
    while (covered < before + (end - begin) * width) {
      covered += store.segments().get(to++).count();
    }
    boolean whole = before == 0 && covered == (end - begin) * width;
    Check.argument(whole || to == from + 1, "slice %d..%d of %s cuts a tensor", begin, end, name());
    return new Parameter(
        store, from, to, before, vector ? 1 : end - begin, vector ? end - begin : cols);
  }

  /** Whether it is a part of a tensor, whose rest others write. */
  private boolean isPartOfTensor() {
    return segmentEnd == segmentBegin + 1 && count() < first.count();
  }

  /** Address of the f32 gradient. Before writing to it ask {@link #accumulate}. */
  public long gradient() {
    return store.gradientAddress(first.first() + offset);
  }

  /**
   * Claims the gradient for a write: false the first time in an optimizer step, when the op must
   * overwrite it; true later, when it must add.
   */
  public boolean accumulate() {
    boolean written = store.claim(segmentBegin, segmentEnd);
    if (!isPartOfTensor()) {
      return written;
    }
    if (!written) {
      // Of one tensor there is one mark: its parts add to zero, whichever comes first.
      store
          .backend()
          .run(new FillZeroCall(store.gradientAddress(first.first()), first.count() * Float.BYTES));
    }
    return true;
  }

  /** The gradient for an op that can only add: zeroed if nothing was written in this step. */
  public long addableGradient() {
    if (!accumulate()) {
      store.backend().run(new FillZeroCall(gradient(), count() * Float.BYTES));
    }
    return gradient();
  }
}
