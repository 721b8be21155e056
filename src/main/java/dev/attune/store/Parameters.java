package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import dev.attune.tape.Loan;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * The flat store: every weight in one f32 buffer, every gradient in another of the same layout, so
 * that the optimizer is one pass, the gradient norm one reduction and a checkpoint one write.
 *
 * <p>Frozen tensors lie in a buffer of their own, held once, in the type that products read.
 *
 * <p>Order: the word embedding (if row-sparse), the other weights that decay, those that do not
 * (biases, norms). Segments start at multiples of {@value ParameterLayout#ALIGNMENT} elements; the
 * gaps stay zero.
 */
public final class Parameters implements AutoCloseable {
  /** Elements that pass between f32 and bf16 at a time. */
  private static final int NARROW_PIECE = 1 << 20;

  private final Backend backend;
  private final ParameterLayout layout;
  private final List<Segment> segments;
  private final long rowSparseEnd;
  private final Buffer weights;
  private final WeightShadow shadow;
  private final FrozenWeights frozen; // null where nothing is, or all of it is another store's
  private final Map<Segment, Segment> borrowed = new IdentityHashMap<>(); // to the lender's
  private final Parameters lender; // null: nothing is another store's
  private final List<AdapterSet> products; // in the order of the model
  private List<Parameters> guests = List.of();
  private final HostWindow window;
  private final Decompositions decompositions;
  private long version;
  private Buffer gradients;
  private GradientClaims claims;
  private GradientSquares squares;
  private RowSparse rowSparse;
  private Parameter rowSparseTable;

  /**
   * Lays out what a model declared, allocates the weights (zeroed) and gives each parameter its
   * place.
   *
   * @param lender whose frozen tensors are this store's; null: it has its own
   */
  Parameters(
      Backend backend,
      List<Parameter> declared,
      List<Decomposition> decomposed,
      List<AdapterSet> products,
      Parameters lender) {
    this.backend = backend;
    this.products = List.copyOf(products);
    this.lender = lender;
    this.layout = new ParameterLayout(declared.stream().map(Parameter::declaration).toList());
    this.segments = layout.segments();
    this.rowSparseEnd = layout.rowSparseEnd();
    if (lender != null) {
      borrow();
    }
    this.weights =
        Buffer.allocate(
            backend,
            Math.max(1, layout.size()) * Float.BYTES,
            true,
            "the weights",
            Term.LORA_R
                + ", which freezes them and holds them in bf16 ("
                + Term.LOAD_IN_4BIT
                + ": in 4 bits),");
    this.shadow = new WeightShadow(backend, weights, rowSparseEnd, layout.decayEnd());
    this.window = new HostWindow(backend);
    try {
      boolean hasFrozen = lender == null && layout.frozenBytes() > 0;
      this.frozen = hasFrozen ? new FrozenWeights(backend, layout) : null;
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
    for (int i = 0; i < declared.size(); i++) {
      Parameter parameter = declared.get(i);
      parameter.place(this, layout.ranges().get(i));
      if (parameter.declaration().rowSparse()) {
        rowSparseTable = parameter;
      }
    }
    try {
      this.decompositions = new Decompositions(backend, this, decomposed);
    } catch (RuntimeException e) {
      weights.close();
      closeFrozen();
      throw e;
    }
  }

  private void closeFrozen() {
    if (frozen != null) {
      frozen.close();
    }
  }

  /** Whether the frozen weights are those of another model, which has loaded them. */
  public boolean sharesFrozen() {
    return lender != null;
  }

  /**
   * Says whose adapters stand on these weights in the passes that follow, where several jobs share
   * them: one store for each range of rows, in the order of those.
   */
  public void serve(List<Parameters> jobs) {
    guests = List.copyOf(jobs);
  }

  List<Parameters> guests() {
    return guests;
  }

  /** The adapters of a product, by its number among those of the model. */
  AdapterSet adapters(int product) {
    return products.get(product);
  }

  private void borrow() {
    for (Segment segment : segments) {
      if (segment.frozen()) {
        Segment theirs = lender.segment(segment.name());
        Check.argument(
            theirs != null
                && theirs.frozen()
                && theirs.dtype() == segment.dtype()
                && theirs.count() == segment.count()
                && theirs.layout().equals(segment.layout()),
            "the other model does not hold %s as this one does",
            segment.name());
        borrowed.put(segment, theirs);
      }
    }
  }

  /** Bytes of the weights that are this store's own. */
  public long sizeBytes() {
    return weights.sizeBytes() + (lender == null ? layout.frozenBytes() : 0);
  }

  /** Grows whenever values may have changed: what derives from them is then out of date. */
  public long version() {
    return version;
  }

  /**
   * Sets the magnitudes of all weight-decomposed adapters to the norms of the rows they are of, as
   * these are now: to be called when the weights are loaded.
   */
  public void initializeMagnitudes() {
    decompositions.initialize();
    version++;
  }

  public Backend backend() {
    return backend;
  }

  /** The named tensors, in the order of the store. */
  public List<Segment> segments() {
    return segments;
  }

  /** The named tensor, or null. */
  public Segment segment(String name) {
    return layout.segment(name);
  }

  /** Elements of the store, gaps included. */
  public long size() {
    return layout.size();
  }

  /** Number of parameters, gaps not counted. */
  public long count() {
    return segments.stream().mapToLong(Segment::count).sum();
  }

  /** End of the row-sparse section, which starts at 0. */
  public long rowSparseEnd() {
    return rowSparseEnd;
  }

  /**
   * Rows that keep their values though others of their matrix are trained, in the store's order.
   */
  public List<Stretch> resting() {
    return layout.resting();
  }

  /** End of the section whose weights decay. */
  public long decayEnd() {
    return layout.decayEnd();
  }

  /** The weights, all of them up to date. */
  public Buffer weights() {
    settle();
    return weights;
  }

  /**
   * Address of the weights from element {@code first} on, for an optimizer: rows of the word
   * embedding may lag behind it.
   */
  public long updatedAddress(long first) {
    return weights.address() + first * Float.BYTES;
  }

  private void settle() {
    if (rowSparse != null) {
      rowSparse.settle();
    }
  }

  /** The gradients. */
  public Buffer gradients() {
    Check.state(gradients != null, "the parameters are not being trained");
    return gradients;
  }

  /** The word embedding's bookkeeping, or null if the model has none. */
  public RowSparse rowSparse() {
    return rowSparse;
  }

  /** Delivers values of a tensor. */
  @FunctionalInterface
  public interface Values {
    /** Fills {@code values} with the tensor's elements from {@code first} on. */
    void fill(long first, FloatBuffer values);
  }

  /** Writes all values of a tensor, asking for them in pieces; rounds where it is held in bf16. */
  public void write(Segment segment, Values values) {
    Check.argument(!borrowed.containsKey(segment), "%s is another model's", segment.name());
    version++;
    if (segment.dtype().sizeBytes() == 0) {
      frozen.writeQuantized(window, segment, values);
      return;
    }
    boolean narrow = segment.dtype() == DType.BF16;
    long piece = narrow ? NARROW_PIECE : window.pieceBytes() / Float.BYTES;
    for (long first = 0; first < segment.count(); first += piece) {
      int count = (int) Math.min(piece, segment.count() - first);
      int size = segment.dtype().sizeBytes();
      ByteBuffer target = window.prepare(address(segment) + first * size, (long) count * size);
      if (narrow) {
        FloatBuffer wide = FloatBuffer.allocate(count);
        values.fill(first, wide);
        for (int i = 0; i < count; i++) {
          target.putShort(2 * i, DType.toBf16(wide.get(i)));
        }
      } else {
        values.fill(first, target.asFloatBuffer());
      }
      window.commit();
    }
    shadow.refresh();
  }

  /**
   * Some values of a tensor, from element {@code first} on, at least one if there is one; to be
   * read before anything else is read or written through this store.
   */
  public FloatBuffer read(Segment segment, long first) {
    Check.argument(
        segment.dtype().sizeBytes() > 0, "%s is held as %s", segment.name(), segment.dtype());
    if (segment.dtype() == DType.BF16) {
      int count = (int) Math.min(NARROW_PIECE, segment.count() - first);
      ByteBuffer narrow =
          window.read(address(segment) + first * Short.BYTES, (long) count * Short.BYTES);
      FloatBuffer wide = FloatBuffer.allocate(count);
      for (int i = 0; i < count; i++) {
        wide.put(i, DType.fromBf16(narrow.getShort(2 * i)));
      }
      return wide;
    }
    long count = Math.min(window.pieceBytes() / Float.BYTES, segment.count() - first);
    return window.read(address(segment) + first * Float.BYTES, count * Float.BYTES).asFloatBuffer();
  }

  /**
   * To be called after the weights or the row states were written through their buffers: copies
   * that derive from them follow.
   */
  public void refresh() {
    version++;
    shadow.refresh();
    if (rowSparse != null) {
      rowSparse.refresh();
    }
  }

  /** Allocates gradients; from here on parameters are trainable. */
  public void enableTraining() {
    if (gradients != null) {
      return;
    }
    gradients =
        Buffer.allocate(
            backend,
            Math.max(1, layout.size()) * Float.BYTES,
            true,
            "the gradients",
            Term.LORA_R + ", which has them of adapters alone,");
    squares =
        new GradientSquares(
            backend,
            gradients,
            LongStream.concat(
                    segments.stream()
                        .filter(s -> !s.frozen() && s.first() >= rowSparseEnd)
                        .mapToLong(Segment::first),
                    LongStream.of(size()))
                .toArray());
    claims = new GradientClaims(backend, gradients, segments, rowSparseEnd, squares);
    if (rowSparseTable != null) {
      backend.advise(gradients.address(), rowSparseEnd * Float.BYTES, false);
      rowSparse = new RowSparse(backend, rowSparseTable);
    }
  }

  public boolean trainable() {
    return gradients != null;
  }

  /**
   * After backward, before the optimizer: gradients that no op wrote become zero, and those of rows
   * that are not trained.
   */
  public void zeroUnwritten() {
    for (Stretch rows : layout.resting()) {
      squares.forget(rows.begin(), rows.end());
      backend.run(
          new FillZeroCall(
              gradientAddress(rows.begin()), (rows.end() - rows.begin()) * Float.BYTES));
    }
    claims.zeroUnwritten();
  }

  /**
   * To be called when weights have changed otherwise than through this store, by work of the
   * device: what derives from them is computed again when it is next asked for.
   */
  public void changed() {
    version++;
  }

  /** After the optimizer: the gradients that ops have written are not wanted any more. */
  public void forgetWritten() {
    claims.forget();
    squares.forget(0, size());
  }

  /** Which gradients this step has written so far: for work that is launched without its ops. */
  public boolean[] writtenGradients() {
    return claims.written();
  }

  /** Takes over what {@link #writtenGradients} gave when the same work ran. */
  public void restoreWritten(boolean[] gradientsWritten) {
    claims.restore(gradientsWritten);
  }

  long address(Segment segment) {
    if (lender != null && segment.frozen()) {
      return lender.address(borrowed.get(segment));
    }
    if (segment.frozen()) {
      return frozen.address(segment);
    }
    if (segment.first() < rowSparseEnd) {
      settle();
    }
    return weights.address() + segment.first() * Float.BYTES;
  }

  /** The same where rows may lag that are not marked. */
  long markedAddress(Segment segment) {
    return segment.frozen() || segment.first() >= rowSparseEnd
        ? address(segment)
        : updatedAddress(segment.first());
  }

  /**
   * Address of the bf16 copy of the weights from element {@code first} on, for an optimizer to keep
   * up to date in its own pass; 0 where there is none.
   */
  public long shadowAddress(long first) {
    return shadow.address(first);
  }

  /**
   * Makes now what products of such activations will ask for: before an arena takes the rest of the
   * memory.
   */
  public void prepare(DType activations) {
    shadow.prepare(activations);
  }

  /**
   * Makes now all that a forward in inference derives from the weights: from here on, until they
   * change, it writes nothing that other threads read.
   */
  public void prepareInference(DType activations) {
    prepare(activations);
    decompositions.refresh();
  }

  /** The type in which products read a weight. */
  DType operandDtype(Segment segment, DType activations) {
    if (segment.frozen()) {
      return segment.dtype();
    }
    return shadow.serves(segment.first(), activations) ? DType.BF16 : DType.F32;
  }

  /** Where products read a weight; makes the copy when it is first asked for. */
  long operandAddress(Segment segment, DType activations) {
    if (segment.frozen() || operandDtype(segment, activations) == DType.F32) {
      return address(segment);
    }
    shadow.make();
    return shadow.address(segment.first());
  }

  long gradientAddress(long first) {
    return gradients().address() + first * Float.BYTES;
  }

  /** The sums of squares of the gradients from {@link #rowSparseEnd} on. */
  public GradientSquares squares() {
    return squares;
  }

  /** See {@link Parameter#accumulate}. */
  boolean claim(int begin, int end) {
    return claims.claim(begin, end);
  }

  /** The memory of the gradients of layers, for the activations of a pass that runs them once. */
  public Loan layerGradients() {
    return claims;
  }

  @Override
  public void close() {
    weights.close();
    closeFrozen();
    decompositions.close();
    shadow.close();
    if (gradients != null) {
      gradients.close();
      squares.close();
    }
    if (rowSparse != null) {
      rowSparse.close();
    }
  }
}
