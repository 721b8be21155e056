package dev.attune.tape;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The flat store: every weight in one f32 buffer, every gradient in another of the same layout, so
 * that the optimizer is one pass, the gradient norm one reduction and a checkpoint one write.
 *
 * <p>Frozen tensors lie in a buffer of their own, held once, in the type that products read.
 *
 * <p>Order: the word embedding (if row-sparse), the other weights that decay, those that do not
 * (biases, norms). Segments start at multiples of {@value #ALIGNMENT} elements; the gaps stay zero.
 */
public final class Parameters implements AutoCloseable {
  private static final int ALIGNMENT = 16;

  private static final int CACHE_LINE = 64;

  /** Elements that pass between f32 and bf16 at a time. */
  private static final int NARROW_PIECE = 1 << 20;

  private final Backend backend;
  private final List<Segment> segments;
  private final Map<String, Segment> byName = new LinkedHashMap<>();
  private final long rowSparseEnd;
  private final long decayEnd;
  private final long size;
  private final Buffer weights;
  private final Buffer frozen; // null where nothing is
  private final List<QuantizedWeight> quantized;
  private final Buffer factors; // of the decompositions; null where there are none
  private final List<Decomposition> decompositions = new ArrayList<>();
  private long version;
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
    this.weights =
        Buffer.allocate(
            backend,
            Math.max(1, size) * Float.BYTES,
            true,
            "the weights",
            "--lora-r, which freezes them and holds them in bf16 (--load-in-4bit: in 4 bits),");
    this.quantized = builder.quantized;
    this.frozen =
        builder.frozenBytes == 0
            ? null
            : Buffer.allocate(
                backend,
                builder.frozenBytes,
                true,
                "the frozen weights",
                "--load-in-8bit or --load-in-4bit");
    long factorBytes = builder.factorBytes();
    this.factors =
        factorBytes == 0
            ? null
            : Buffer.allocate(backend, factorBytes, false, "the factors of the adapters");
    this.window = new HostWindow(backend);
  }

  /**
   * One Hugging Face tensor of a declaration, or one module before its tensors are named.
   *
   * @param rows of a matrix; entries of a vector
   */
  public record Part(String name, long rows) {}

  /**
   * A module of a weight that is decomposed.
   *
   * @param down handle of its adapter's A
   * @param up handle of its adapter's B
   * @param magnitude handle of its magnitudes
   * @param firstRow of the module in the weight
   */
  public record Decomposed(int down, int up, int magnitude, long firstRow) {}

  /** Declares parameters in the order of the model; {@link #build} lays them out. */
  public static final class Builder {
    private record Declared(
        List<Part> parts,
        long cols,
        Layout layout,
        boolean decays,
        boolean rowSparse,
        boolean isMatrix,
        DType frozenAs) {
      DType dtype() {
        return frozenAs != null && isMatrix ? frozenAs : DType.F32;
      }

      long count(Part part) {
        return part.rows() * cols;
      }

      long[] folderShape(Part part) {
        return isMatrix ? layout.folderShape(part.rows(), cols) : new long[] {part.rows()};
      }
    }

    private record DeclaredDecomposition(int weight, List<Decomposed> modules, float scale) {}

    private final List<Declared> declared = new ArrayList<>();
    private final List<DeclaredDecomposition> decompositions = new ArrayList<>();
    private final List<Segment> laidOut = new ArrayList<>();
    private final List<int[]> spans = new ArrayList<>();
    private LoraConfig lora;
    private DType frozenAs;
    private DType productsFrozenAs;
    private final List<QuantizedWeight> quantized = new ArrayList<>();
    private long frozenBytes;
    private String adapterFolder;
    private final Set<String> modules = new LinkedHashSet<>();
    private long rowSparseEnd;
    private long decayEnd;
    private long size;

    /** Gives the projections that are declared from here on adapters; null: none. */
    public void adapt(LoraConfig config) {
      this.lora = config;
    }

    /**
     * The same for adapters that are there already.
     *
     * @param folder where they are, for messages
     */
    public void adapt(LoraConfig config, String folder) {
      this.lora = config;
      this.adapterFolder = folder;
    }

    /**
     * Freezes what is declared from here on.
     *
     * @param matrices how embeddings are held: F32 or BF16 (vectors stay F32); null: not frozen
     * @param products how the weights of products are held: the same, or NF4 or INT8
     */
    public void freeze(DType matrices, DType products) {
      this.frozenAs = matrices;
      this.productsFrozenAs = products;
    }

    /** Declares parameters that are new: trained, and not adapted. */
    public <T> T asNew(Supplier<T> declaration) {
      LoraConfig outerLora = lora;
      DType outerFrozen = frozenAs;
      lora = null;
      frozenAs = null;
      T declaredNew = declaration.get();
      lora = outerLora;
      frozenAs = outerFrozen;
      return declaredNew;
    }

    /** The adapters that projections get, or null. */
    public LoraConfig lora() {
      return lora;
    }

    /** Whether a projection of this module gets an adapter. */
    public boolean adapts(String module) {
      if (lora == null) {
        return false;
      }
      modules.add(module);
      return lora.targets(module);
    }

    /**
     * Checks, once everything is declared, that every target matched a module.
     *
     * @throws InputException naming those that did not, and what there is
     */
    public void checkTargets() {
      if (lora == null) {
        return;
      }
      for (String target : lora.targets()) {
        if (modules.stream().noneMatch(module -> LoraConfig.matches(target, module))) {
          String has =
              modules.stream().map(LoraConfig::suffix).distinct().collect(Collectors.joining(", "));
          throw new InputException(
              adapterFolder == null
                  ? "--lora-targets: '"
                      + target
                      + "' matches no product of this model; it has "
                      + has
                  : adapterFolder
                      + ": its module '"
                      + target
                      + "' matches no product of this base model, which has "
                      + has
                      + "; the adapter belongs to another model");
        }
      }
    }

    /** A weight matrix (rows, cols) that decays; returns its handle for {@link Parameters#get}. */
    public int matrix(String name, long rows, long cols) {
      return declare(
          List.of(new Part(name, rows)), cols, Layout.PLAIN, true, false, true, frozenAs);
    }

    /**
     * Weights of equal width, one below the other, of one product.
     *
     * @param layout in the folder; of several matrices only PLAIN
     */
    public int stacked(List<Part> parts, long cols, Layout layout) {
      Check.argument(
          layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
      return declare(
          parts, cols, layout, true, false, true, frozenAs == null ? null : productsFrozenAs);
    }

    /** A matrix of an adapter: always trained. */
    public int adapter(String name, long rows, long cols, Layout layout) {
      return asNew(
          () -> declare(List.of(new Part(name, rows)), cols, layout, true, false, true, null));
    }

    /**
     * The magnitudes of a module's rows: always trained. They decay, as Transformers has it, which
     * excepts biases and norms alone.
     */
    public int magnitude(String name, long count, Layout layout) {
      return asNew(
          () -> declare(List.of(new Part(name, count)), 1, layout, true, false, false, null));
    }

    /**
     * Declares that adapters of a weight are weight-decomposed.
     *
     * @param weight its handle
     * @param modules of it that have an adapter
     * @return the handle for {@link Parameters#decomposition}
     */
    public int decompose(int weight, List<Decomposed> modules) {
      decompositions.add(new DeclaredDecomposition(weight, List.copyOf(modules), lora.scale()));
      return decompositions.size() - 1;
    }

    private long rows(int handle) {
      return declared.get(handle).parts.stream().mapToLong(Part::rows).sum();
    }

    private long factorBytes() {
      return decompositions.stream().mapToLong(d -> Decomposition.sizeBytes(rows(d.weight))).sum();
    }

    /** A vector that does not decay: a bias, a norm's weight. */
    public int vector(String name, long count) {
      return stackedVectors(List.of(new Part(name, count)), Layout.PLAIN);
    }

    /** Vectors, one after the other; the layout as of {@link #stacked}. */
    public int stackedVectors(List<Part> parts, Layout layout) {
      Check.argument(
          layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
      return declare(parts, 1, layout, false, false, false, frozenAs);
    }

    /** The word embedding (V, C): decays, and is updated by row. At most one. */
    public int wordEmbedding(String name, long vocabulary, long width) {
      for (Declared other : declared) {
        Check.argument(!other.rowSparse, "two word embeddings: %s and %s", other.parts, name);
      }
      return declare(
          List.of(new Part(name, vocabulary)),
          width,
          Layout.PLAIN,
          true,
          frozenAs == null,
          true,
          frozenAs);
    }

    private int declare(
        List<Part> parts,
        long cols,
        Layout layout,
        boolean decays,
        boolean rowSparse,
        boolean isMatrix,
        DType heldAs) {
      declared.add(
          new Declared(List.copyOf(parts), cols, layout, decays, rowSparse, isMatrix, heldAs));
      return declared.size() - 1;
    }

    /** Lays the parameters out and allocates the weights (zeroed). */
    public Parameters build(Backend backend) {
      for (int i = 0; i < declared.size(); i++) {
        spans.add(null);
      }
      place(d -> d.frozenAs == null && d.rowSparse);
      rowSparseEnd = size;
      place(d -> d.frozenAs == null && !d.rowSparse && d.decays);
      decayEnd = size;
      place(d -> d.frozenAs == null && !d.decays);
      placeFrozen();
      Parameters parameters = new Parameters(backend, this);
      for (int i = 0; i < declared.size(); i++) {
        Declared d = declared.get(i);
        int[] span = spans.get(i);
        long total = d.parts.stream().mapToLong(Part::rows).sum();
        Parameter parameter =
            new Parameter(
                parameters, span[0], span[1], d.isMatrix ? total : 1, d.isMatrix ? d.cols : total);
        parameters.all.add(parameter);
        if (d.rowSparse) {
          parameters.rowSparseTable = parameter;
          // Only some rows are ever touched; with huge pages every row would be.
          backend.advise(parameter.address(), parameter.count() * Float.BYTES, false);
        }
      }
      long offset = 0;
      for (DeclaredDecomposition d : decompositions) {
        List<Decomposition.Module> modules =
            d.modules.stream()
                .map(
                    m ->
                        new Decomposition.Module(
                            parameters.get(m.down),
                            parameters.get(m.up),
                            parameters.get(m.magnitude),
                            m.firstRow))
                .toList();
        parameters.decompositions.add(
            new Decomposition(
                parameters,
                parameters.get(d.weight),
                modules,
                d.scale,
                parameters.factors,
                offset));
        offset += Decomposition.sizeBytes(rows(d.weight));
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
        for (Part part : d.parts) {
          laidOut.add(
              new Segment(
                  part.name(),
                  d.folderShape(part),
                  size,
                  d.count(part),
                  d.decays,
                  d.layout,
                  DType.F32,
                  false));
          size += d.count(part);
        }
        spans.set(i, new int[] {begin, laidOut.size()});
      }
      size = align(size);
    }

    private void placeFrozen() {
      for (int i = 0; i < declared.size(); i++) {
        Declared d = declared.get(i);
        if (d.frozenAs == null) {
          continue;
        }
        int begin = laidOut.size();
        boolean isQuantized = d.dtype().sizeBytes() == 0;
        long at = frozenBytes;
        for (Part part : d.parts) {
          // Tensors that are packed together have one place, that of them all.
          laidOut.add(
              new Segment(
                  part.name(),
                  d.folderShape(part),
                  at,
                  d.count(part),
                  d.decays,
                  d.layout,
                  d.dtype(),
                  true));
          at += d.count(part) * d.dtype().sizeBytes();
        }
        if (isQuantized) {
          if (d.cols % QuantizedLayout.BLOCK != 0) {
            throw new InputException(
                String.format(
                    "%s has %d columns; weights of few bits (--load-in-4bit, --load-in-8bit) need a"
                        + " multiple of %d",
                    d.parts.get(0).name(), d.cols, QuantizedLayout.BLOCK));
          }
          long rows = d.parts.stream().mapToLong(Part::rows).sum();
          quantized.add(new QuantizedWeight(d.dtype(), frozenBytes, rows, d.cols));
          at += QuantizedLayout.of(rows, d.cols, d.dtype()).sizeBytes();
        }
        frozenBytes = (at + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        spans.set(i, new int[] {begin, laidOut.size()});
      }
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

  /** The decomposition that a declaration's handle stands for. */
  public Decomposition decomposition(int handle) {
    return decompositions.get(handle);
  }

  /** Grows whenever values may have changed: what derives from them is then out of date. */
  long version() {
    return version;
  }

  /**
   * Sets the magnitudes of all weight-decomposed adapters to the norms of the rows they are of, as
   * these are now: to be called when the weights are loaded.
   */
  public void initializeMagnitudes() {
    decompositions.forEach(Decomposition::initialize);
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

  /** Writes all values of a tensor, asking for them in pieces; rounds where it is held in bf16. */
  public void write(Segment segment, Values values) {
    version++;
    if (segment.dtype().sizeBytes() == 0) {
      writeQuantized(segment, values);
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
    if (shadow != null) {
      fillShadow();
    }
  }

  private void writeQuantized(Segment segment, Values values) {
    QuantizedWeight weight =
        quantized.stream().filter(q -> q.offset() == segment.first()).findFirst().orElseThrow();
    long before = 0;
    for (int i = segments.indexOf(segment) - 1;
        i >= 0 && segments.get(i).frozen() && segments.get(i).first() == segment.first();
        i--) {
      before += segments.get(i).count();
    }
    weight.write(backend, window, before, segment.count(), values, frozen.address());
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
   * {@code weight (F,C) += scale * up (F,R) * down (R,C)}: an adapter becomes part of its weight.
   * up is scaled in place.
   */
  public void addProduct(Segment weight, Segment up, Segment down, float scale) {
    Check.argument(!weight.frozen(), "%s is frozen", weight.name());
    long R = down.shape()[0];
    long C = down.shape()[1];
    FloatBuffer scaled = values(up);
    for (int i = 0; i < scaled.capacity(); i++) {
      scaled.put(i, scaled.get(i) * scale);
    }
    write(up, (first, values) -> values.put(scaled.slice((int) first, values.remaining())));
    backend.linearBackwardInput(
        address(weight),
        0,
        address(up),
        address(down),
        0,
        up.count() / R,
        C,
        R,
        Activation.NONE,
        true,
        DType.F32,
        DType.F32);
    version++;
  }

  /**
   * Scales the rows of {@code weight (F,C)} to the norms that {@code magnitude (F)} says: a
   * weight-decomposed adapter becomes part of its weight, after {@link #addProduct}. A row of zeros
   * stays.
   */
  public void setRowNorms(Segment weight, Segment magnitude) {
    Check.argument(!weight.frozen(), "%s is frozen", weight.name());
    FloatBuffer rows = values(weight);
    FloatBuffer norms = values(magnitude);
    int C = rows.capacity() / norms.capacity();
    for (int f = 0; f < norms.capacity(); f++) {
      double squares = 0;
      for (int i = f * C; i < (f + 1) * C; i++) {
        squares += (double) rows.get(i) * rows.get(i);
      }
      double factor = squares == 0 ? 0 : norms.get(f) / Math.sqrt(squares);
      for (int i = f * C; i < (f + 1) * C; i++) {
        rows.put(i, (float) (factor * rows.get(i)));
      }
    }
    write(weight, (first, values) -> values.put(rows.slice((int) first, values.remaining())));
  }

  /** All values of a tensor, as the store orders them. */
  private FloatBuffer values(Segment segment) {
    FloatBuffer values = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    while (values.hasRemaining()) {
      values.put(read(segment, values.position()));
    }
    return values.flip();
  }

  /**
   * To be called after the weights or the row states were written through their buffers: copies
   * that derive from them follow.
   */
  public void refresh() {
    version++;
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
    gradients =
        Buffer.allocate(
            backend,
            Math.max(1, size) * Float.BYTES,
            true,
            "the gradients",
            "--lora-r, which has them of adapters alone,");
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
    zeroUnwritten();
  }

  /** The part of {@link #completeGradients} that is work of the device. */
  public void zeroUnwritten() {
    for (int i = 0; i < written.length; i++) {
      Segment segment = segments.get(i);
      if (!written[i] && !segment.frozen() && segment.first() >= rowSparseEnd) {
        backend.fillZero(gradientAddress(segment.first()), segment.count() * Float.BYTES);
      }
    }
  }

  /** After the optimizer: forgets the gradients. */
  public void endStep() {
    changed();
    forgetWritten();
    if (rowSparse != null) {
      rowSparse.zeroGradients(rowSparse.rowCount());
      rowSparse.endStep();
    }
  }

  /**
   * To be called when weights have changed otherwise than through this store, by work of the
   * device: what derives from them is computed again when it is next asked for.
   */
  public void changed() {
    version++;
  }

  /** The marks that {@link #endStep} takes back. */
  public void forgetWritten() {
    Arrays.fill(written, false);
  }

  /** Which gradients this step has written so far: for work that is launched without its ops. */
  public boolean[] writtenGradients() {
    return written.clone();
  }

  /** Takes over what {@link #writtenGradients} gave when the same work ran. */
  public void restoreWritten(boolean[] gradientsWritten) {
    System.arraycopy(gradientsWritten, 0, written, 0, written.length);
  }

  long address(Segment segment) {
    return segment.frozen()
        ? frozen.address() + segment.first()
        : weights.address() + segment.first() * Float.BYTES;
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
    boolean wanted = activations == DType.BF16 && backend.wantsBf16Weights();
    if (wanted && rowSparseEnd < decayEnd) {
      makeShadow();
    }
  }

  /** The type in which products read a weight. */
  DType operandDtype(Segment segment, DType activations) {
    if (segment.frozen()) {
      return segment.dtype();
    }
    boolean wanted = activations == DType.BF16 && backend.wantsBf16Weights();
    return wanted && isShadowed(segment.first()) ? DType.BF16 : DType.F32;
  }

  /** Where products read a weight; makes the copy when it is first asked for. */
  long operandAddress(Segment segment, DType activations) {
    if (segment.frozen() || operandDtype(segment, activations) == DType.F32) {
      return address(segment);
    }
    makeShadow();
    return shadowAddress(segment.first());
  }

  private void makeShadow() {
    if (shadow == null) {
      shadow =
          Buffer.allocate(
              backend,
              (decayEnd - rowSparseEnd) * DType.BF16.sizeBytes(),
              true,
              "the bf16 copy of the weights",
              "--lora-r, which holds the weights in bf16 alone,");
      fillShadow();
    }
  }

  private void fillShadow() {
    backend.cast(
        shadow.address(),
        weights.address() + rowSparseEnd * Float.BYTES,
        decayEnd - rowSparseEnd,
        false,
        DType.BF16,
        DType.F32);
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
    if (frozen != null) {
      frozen.close();
      quantized.forEach(QuantizedWeight::close);
    }
    if (factors != null) {
      factors.close();
    }
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
