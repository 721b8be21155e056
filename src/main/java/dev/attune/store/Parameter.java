package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.calls.FillZeroCall;
import java.util.List;

/**
 * A weight matrix or vector: a range of the flat store. It may cover several Hugging Face tensors
 * that lie one after another (query, key and value of a layer), so that one product serves them
 * all; {@link #slice} narrows it to some of them, or to rows of one.
 *
 * <p>Its name and shape are known when it is declared. It has values and gradients once its {@link
 * ParameterBuilder} has built; asking for them before is an {@link IllegalStateException}.
 */
public final class Parameter {
  /**
   * Where the values are.
   *
   * @param segmentBegin the first of the tensors it covers
   * @param segmentEnd behind the last
   */
  private record Place(Parameters store, int segmentBegin, int segmentEnd) {
    Segment first() {
      return store.segments().get(segmentBegin);
    }
  }

  private final Declaration declaration;
  private final long offset; // elements of the first tensor that come before
  private final long rows;
  private final long cols;
  private Place place; // null until the builder has built

  Parameter(Declaration declaration) {
    this.declaration = declaration;
    this.offset = 0;
    this.rows = declaration.isMatrix() ? declaration.rows() : 1;
    this.cols = declaration.isMatrix() ? declaration.cols() : declaration.rows();
  }

  /** A part of a parameter. */
  private Parameter(Declaration declaration, Place place, long offset, long rows, long cols) {
    this.declaration = declaration;
    this.place = place;
    this.offset = offset;
    this.rows = rows;
    this.cols = cols;
  }

  Declaration declaration() {
    return declaration;
  }

  /** Gives a declared parameter its values. */
  void place(Parameters store, ParameterLayout.Range range) {
    this.place = new Place(store, range.begin(), range.end());
  }

  private Place place() {
    Check.state(place != null, "%s has no place yet: its builder has not built", name());
    return place;
  }

  /** The name of the (first) tensor it covers. */
  public String name() {
    return place == null ? declaration.parts().get(0).name() : place.first().name();
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
    Place at = place();
    return at.store.address(at.first()) + offset * dtype().sizeBytes();
  }

  /**
   * The same for an op that reads rows which it will add gradients to: those are marked ({@link
   * RowSparse#mark}), so that others may lag.
   */
  public long markedAddress() {
    Place at = place();
    return at.store.markedAddress(at.first()) + offset * dtype().sizeBytes();
  }

  /** Where in the model it stands. */
  public Depth depth() {
    return declaration.depth();
  }

  /** Whose adapters stand on the weight: see {@link Parameters#serve}. */
  List<Parameters> guests() {
    return place().store.guests();
  }

  /** How the values are held. */
  public DType dtype() {
    return declaration.dtype();
  }

  /** Whether the values are packed in 4 or 8 bits. */
  public boolean isQuantized() {
    return dtype().sizeBytes() == 0;
  }

  /** The type in which products of such activations read the weight. */
  public DType operandDtype(DType activations) {
    Place at = place();
    return at.store.operandDtype(at.first(), activations);
  }

  /** Where products of such activations read the weight: the master, or a copy of it. */
  public long operand(DType activations) {
    Place at = place();
    long first = at.store.operandAddress(at.first(), activations);
    return dtype() == DType.CHANNEL_INT8
        ? first + ChannelInt8Layout.of(cols).strip(offset / cols)
        : first + offset * operandDtype(activations).sizeBytes();
  }

  /** Whether {@link #slice} can begin with this row. */
  public boolean canBeCutAt(long row) {
    return !isQuantized()
        || dtype() == DType.CHANNEL_INT8
            && (offset / cols + row) % ChannelInt8Layout.STRIP_ROWS == 0;
  }

  /** Whether this parameter takes a gradient. */
  public boolean trainable() {
    return place().store.trainable() && declaration.frozenAs() == null;
  }

  /**
   * Some of its rows, or entries of a vector: whole tensors of those it covers, or a part of one.
   * The new parameter shares values and gradient.
   *
   * @param begin first row or entry
   * @param end behind the last
   */
  public Parameter slice(long begin, long end) {
    boolean vector = !declaration.isMatrix();
    long width = vector ? 1 : cols;
    Check.argument(
        0 <= begin && begin < end && end * width <= count(),
        "slice %d..%d of %s",
        begin,
        end,
        name());
    Parameters store = place().store;
    if (isQuantized()) {
      Check.state(
          end - begin == rows || canBeCutAt(begin), "%s cannot be cut at row %d", name(), begin);
      // What is packed together has one place: that of the first.
      return new Parameter(declaration, place, offset + begin * width, end - begin, cols);
    }
    int from = place.segmentBegin;
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
        declaration,
        new Place(store, from, to),
        before,
        vector ? 1 : end - begin,
        vector ? end - begin : cols);
  }

  /** Whether it is a part of a tensor, whose rest others write. */
  private boolean isPartOfTensor() {
    return place.segmentEnd == place.segmentBegin + 1 && count() < place.first().count();
  }

  /** Address of the f32 gradient. Before writing to it ask {@link #accumulate}. */
  public long gradient() {
    Place at = place();
    return at.store.gradientAddress(at.first().first() + offset);
  }

  /**
   * Claims the gradient for a write: false the first time in an optimizer step, when the op must
   * overwrite it; true later, when it must add.
   */
  public boolean accumulate() {
    Place at = place();
    boolean written = at.store.claim(at.segmentBegin, at.segmentEnd);
    if (!isPartOfTensor()) {
      return written;
    }
    if (!written) {
      // Of one tensor there is one mark: its parts add to zero, whichever comes first.
      Segment whole = at.first();
      at.store
          .backend()
          .run(
              new FillZeroCall(
                  at.store.gradientAddress(whole.first()), whole.count() * Float.BYTES));
    }
    return true;
  }

  /**
   * Where the op that has claimed the gradient and writes all of it leaves the sum of its squares,
   * f64; 0 where nobody wants it.
   */
  public long gradientSquares() {
    Parameters store = place().store;
    long first = place.first().first() + offset;
    if (isPartOfTensor() || first < store.rowSparseEnd() || !store.backend().sumsSquares()) {
      return 0;
    }
    return store.squares().leave(first, first + count());
  }

  /** The gradient for an op that can only add: zeroed if nothing was written in this step. */
  public long addableGradient() {
    if (!accumulate()) {
      place.store.backend().run(new FillZeroCall(gradient(), count() * Float.BYTES));
    }
    return gradient();
  }
}
