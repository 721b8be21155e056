package dev.attune.tape;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The flat store: every weight in one f32 buffer, every gradient in another of the same layout, so
 * that the optimizer is one pass, the gradient norm one reduction and a checkpoint one write.
 *
 * <p>Order: the word embedding (if row-sparse), the other weights that decay, those that do not
 * (biases, norms). Segments start at multiples of {@value #ALIGNMENT} elements; the gaps stay zero.
 */
public final class Parameters implements AutoCloseable {
  private static final int ALIGNMENT = 16;

  private final Backend backend;
  private final List<Segment> segments;
  private final Map<String, Segment> byName = new LinkedHashMap<>();
  private final long rowSparseEnd;
  private final long decayEnd;
  private final long size;
  private final Buffer weights;
  private Buffer gradients;
  private boolean[] written;
  private final HostWindow window;
  private Buffer shadow;
  private RowSparse rowSparse;
  private Parameter rowSparseTable;

  private Parameters(Backend backend, Builder builder) {
    this.backend = backend;
    this.segments = Collections.unmodifiableList(builder.laidOut);
    this.rowSparseEnd = builder.rowSparseEnd;
    this.decayEnd = builder.decayEnd;
    this.size = builder.size;
    for (Segment segment : segments) {
      byName.put(segment.name(), segment);
    }
    this.weights = Buffer.allocate(backend, size * Float.BYTES, true);
    this.window = new HostWindow(backend);
  }

  /** Declares parameters in the order of the model; {@link #build} lays them out. */
  public static final class Builder {
    private record Declared(List<String> names, long[] shape, boolean decays, boolean rowSparse) {
      long count() {
        long count = 1;
        for (long extent : shape) {
          count *= extent;
        }
        return count;
      }
    }

    private final List<Declared> declared = new ArrayList<>();
    private final List<Segment> laidOut = new ArrayList<>();
    private final List<int[]> spans = new ArrayList<>();
    private long rowSparseEnd;
    private long decayEnd;
    private long size;

    /** A weight matrix (rows, cols) that decays; returns its handle for {@link Parameters#get}. */
    public int matrix(String name, long rows, long cols) {
      return declare(List.of(name), new long[] {rows, cols}, true, false);
    }

    /** Equal matrices (rows, cols), one below the other, served by one product. */
    public int stacked(List<String> names, long rows, long cols) {
      return declare(names, new long[] {rows, cols}, true, false);
    }

    /** A vector that does not decay: a bias, a norm's weight. */
    public int vector(String name, long count) {
      return declare(List.of(name), new long[] {count}, false, false);
    }

    /** Equal vectors, one after the other. */
    public int stackedVectors(List<String> names, long count) {
      return declare(names, new long[] {count}, false, false);
    }

    /** The word embedding (V, C): decays, and is updated by row. At most one. */
    public int wordEmbedding(String name, long vocabulary, long width) {
      for (Declared other : declared) {
        Check.argument(!other.rowSparse, "two word embeddings: %s and %s", other.names, name);
      }
      return declare(List.of(name), new long[] {vocabulary, width}, true, true);
    }

    private int declare(List<String> names, long[] shape, boolean decays, boolean rowSparse) {
      declared.add(new Declared(List.copyOf(names), shape, decays, rowSparse));
      return declared.size() - 1;
    }

    /** Lays the parameters out and allocates the weights (zeroed). */
    public Parameters build(Backend backend) {
      for (int i = 0; i < declared.size(); i++) {
        spans.add(null);
      }
      place(d -> d.rowSparse);
      rowSparseEnd = size;
      place(d -> !d.rowSparse && d.decays);
      decayEnd = size;
      place(d -> !d.decays);
      Parameters parameters = new Parameters(backend, this);
      for (int i = 0; i < declared.size(); i++) {
        Declared d = declared.get(i);
        int[] span = spans.get(i);
        long rows = d.shape.length == 2 ? d.shape[0] * d.names.size() : 1;
        long cols = d.shape.length == 2 ? d.shape[1] : d.shape[0] * d.names.size();
        Parameter parameter =
            new Parameter(parameters, span[0], span[1], laidOut.get(span[0]).first(), rows, cols);
        parameters.all.add(parameter);
        if (d.rowSparse) {
          parameters.rowSparseTable = parameter;
          // Only some rows are ever touched; with huge pages every row would be.
          backend.advise(parameter.address(), parameter.count() * Float.BYTES, false);
        }
      }
      return parameters;
    }

    private void place(java.util.function.Predicate<Declared> section) {
      for (int i = 0; i < declared.size(); i++) {
        Declared d = declared.get(i);
        if (!section.test(d)) {
          continue;
        }
        size = align(size);
        int begin = laidOut.size();
        for (String name : d.names) {
          laidOut.add(new Segment(name, d.shape, size, d.count(), d.decays));
          size += d.count();
        }
        spans.set(i, new int[] {begin, laidOut.size()});
      }
      size = align(size);
    }

    private static long align(long value) {
      return (value + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
  }

  private final List<Parameter> all = new ArrayList<>();

  /** The parameter that a declaration's handle stands for. */
  public Parameter get(int handle) {
    return all.get(handle);
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
    return byName.get(name);
  }

  /** Elements of the store, gaps included. */
  public long size() {
    return size;
  }

  /** Number of parameters, gaps not counted. */
  public long count() {
    return segments.stream().mapToLong(Segment::count).sum();
  }

  /** End of the row-sparse section, which starts at 0. */
  public long rowSparseEnd() {
    return rowSparseEnd;
  }

  /** End of the section whose weights decay. */
  public long decayEnd() {
    return decayEnd;
  }

  public Buffer weights() {
    return weights;
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

  /** Writes all values of a tensor, asking for them in pieces. */
  public void write(Segment segment, Values values) {
    long piece = window.pieceBytes() / Float.BYTES;
    for (long first = 0; first < segment.count(); first += piece) {
      long count = Math.min(piece, segment.count() - first);
      long address = weightAddress(segment.first() + first);
      values.fill(first, window.prepare(address, count * Float.BYTES).asFloatBuffer());
      window.commit();
    }
    if (shadow != null) {
      fillShadow();
    }
  }

  /**
   * Some values of a tensor, from element {@code first} on, at least one if there is one; to be
   * read before anything else is read or written through this store.
   */
  public FloatBuffer read(Segment segment, long first) {
    long count = Math.min(window.pieceBytes() / Float.BYTES, segment.count() - first);
    return window.read(weightAddress(segment.first() + first), count * Float.BYTES).asFloatBuffer();
  }

  /**
   * To be called after the weights or the row states were written through their buffers: copies
   * that derive from them follow.
   */
  public void refresh() {
    if (shadow != null) {
      fillShadow();
    }
    if (rowSparse != null) {
      rowSparse.refresh();
    }
  }

  /** Allocates gradients; from here on parameters are trainable. */
  public void enableTraining() {
    if (gradients != null) {
      return;
    }
    gradients = Buffer.allocate(backend, size * Float.BYTES, true);
    written = new boolean[segments.size()];
    if (rowSparseTable != null) {
      backend.advise(gradients.address(), rowSparseEnd * Float.BYTES, false);
      rowSparse = new RowSparse(backend, rowSparseTable);
    }
  }

  public boolean trainable() {
    return gradients != null;
  }

  /**
   * After backward, before the optimizer: gradients that no op wrote become zero, and the device
   * learns which rows have one.
   */
  public void completeGradients() {
    if (rowSparse != null) {
      rowSparse.publish();
    }
    for (int i = 0; i < written.length; i++) {
      Segment segment = segments.get(i);
      if (!written[i] && segment.first() >= rowSparseEnd) {
        backend.fillZero(gradientAddress(segment.first()), segment.count() * Float.BYTES);
      }
    }
  }

  /** After the optimizer: forgets the gradients. */
  public void endStep() {
    java.util.Arrays.fill(written, false);
    if (rowSparse != null) {
      rowSparse.endStep();
    }
  }

  /**
   * Address of the bf16 copy of the weights from element {@code first} on, for an optimizer to keep
   * up to date in its own pass; 0 where there is none.
   */
  public long shadowAddress(long first) {
    return shadow == null || !isShadowed(first)
        ? 0
        : shadow.address() + (first - rowSparseEnd) * DType.BF16.sizeBytes();
  }

  /**
   * Whether products of bf16 activations read this element from the copy. The rows of a row-sparse
   * table are not copied, nor is what does not decay: no product reads those.
   */
  private boolean isShadowed(long first) {
    return first >= rowSparseEnd && first < decayEnd;
  }

  /**
   * Makes now what products of such activations will ask for: before an arena takes the rest of the
   * memory.
   */
  public void prepare(DType activations) {
    if (rowSparseEnd < decayEnd) {
      operandAddress(rowSparseEnd, activations);
    }
  }

  /** The type in which products read the weight at {@code first}. */
  DType operandDtype(long first, DType activations) {
    boolean wanted = activations == DType.BF16 && backend.wantsBf16Weights();
    return wanted && isShadowed(first) ? DType.BF16 : DType.F32;
  }

  /** Where products read the weight at {@code first}; makes the copy when it is first asked for. */
  long operandAddress(long first, DType activations) {
    if (operandDtype(first, activations) == DType.F32) {
      return weightAddress(first);
    }
    if (shadow == null) {
      shadow = Buffer.allocate(backend, (decayEnd - rowSparseEnd) * DType.BF16.sizeBytes(), true);
      fillShadow();
    }
    return shadowAddress(first);
  }

  private void fillShadow() {
    backend.cast(
        shadow.address(),
        weightAddress(rowSparseEnd),
        decayEnd - rowSparseEnd,
        false,
        DType.BF16,
        DType.F32);
  }

  long weightAddress(long first) {
    return weights.address() + first * Float.BYTES;
  }

  long gradientAddress(long first) {
    return gradients().address() + first * Float.BYTES;
  }

  /** See {@link Parameter#accumulate}: segments of one claim end in the same state. */
  boolean claim(int begin, int end) {
    if (segments.get(begin).first() < rowSparseEnd) {
      return true; // zero between steps
    }
    boolean any = false;
    boolean every = true;
    for (int i = begin; i < end; i++) {
      any |= written[i];
      every &= written[i];
    }
    for (int i = begin; i < end; i++) {
      if (any && !every && !written[i]) {
        Segment segment = segments.get(i);
        backend.fillZero(gradientAddress(segment.first()), segment.count() * Float.BYTES);
      }
      written[i] = true;
    }
    return any;
  }

  @Override
  public void close() {
    weights.close();
    if (shadow != null) {
      shadow.close();
    }
    if (gradients != null) {
      gradients.close();
    }
    if (rowSparse != null) {
      rowSparse.close();
    }
  }
}
