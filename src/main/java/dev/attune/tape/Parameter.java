package dev.attune.tape;

import dev.attune.core.Check;
import dev.attune.core.DType;

/**
 * A weight matrix or vector: a range of the flat store. It may cover several Hugging Face tensors
 * that lie one after another (query, key and value of a layer), so that one product serves them
 * all; {@link #part} narrows it to some of them.
 */
public final class Parameter {
  private final Parameters store;
  private final int segmentBegin;
  private final int segmentEnd;
  private final Segment first;
  private final long rows;
  private final long cols;

  Parameter(Parameters store, int segmentBegin, int segmentEnd, long rows, long cols) {
    this.store = store;
    this.segmentBegin = segmentBegin;
    this.segmentEnd = segmentEnd;
    this.first = store.segments().get(segmentBegin);
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
    return store.address(first);
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
    return store.operandAddress(first, activations);
  }

  /** Whether this parameter takes a gradient. */
  public boolean trainable() {
    return store.trainable() && !first.frozen();
  }

  /**
   * The tensors {@code begin..end} of those it covers, as a parameter that shares values and
   * gradient.
   */
  public Parameter part(int begin, int end) {
    int count = segmentEnd - segmentBegin;
    Check.argument(
        0 <= begin && begin < end && end <= count, "part %d..%d of %d", begin, end, count);
    Check.state(!isQuantized() || count == end - begin, "%s is packed with others", name());
    Segment from = store.segments().get(segmentBegin + begin);
    long elements = 0;
    for (int i = begin; i < end; i++) {
      elements += store.segments().get(segmentBegin + i).count();
    }
    boolean vector = from.shape().length == 1;
    return new Parameter(
        store,
        segmentBegin + begin,
        segmentBegin + end,
        vector ? 1 : elements / cols,
        vector ? elements : cols);
  }

  /** Address of the f32 gradient. Before writing to it ask {@link #accumulate}. */
  public long gradient() {
    return store.gradientAddress(first.first());
  }

  /**
   * Claims the gradient for a write: false the first time in an optimizer step, when the op must
   * overwrite it; true later, when it must add.
   */
  public boolean accumulate() {
    return store.claim(segmentBegin, segmentEnd);
  }

  /** The gradient for an op that can only add: zeroed if nothing was written in this step. */
  public long addableGradient() {
    if (!accumulate()) {
      store.backend().fillZero(gradient(), count() * Float.BYTES);
    }
    return gradient();
  }
}
