package dev.attune.kernels.cuda;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Products through cuBLASLt. Its matrices are column-major, so every row-major one of ours is
 * passed as its transpose: a row-major product {@code out (N,F)} is asked for as {@code (F,N)}.
 *
 * <p>Fused are the bias, the bias gradient where that is faster, and of the activations the tanh
 * approximation of GELU, which is the one that cuBLASLt's GELU epilogue computes. The exact GELU,
 * and the others, run as a kernel of ours after the product. So does the tanh approximation where
 * bf16 pre-activations are saved: the epilogue would apply it before the rounding, the contract
 * says after.
 *
 * <p>The algorithm of a product is the fastest of the first few that the heuristics offer, measured
 * once for each class of row counts (an eighth of a power of two wide) and kept in a {@link
 * ChoiceFile}. An exact number of rows that the algorithm of its class does not support is a class
 * of its own.
 *
 * <p>The first product of a class therefore waits for the device, and allocates: it cannot be
 * recorded in a graph.
 */
final class LtProducts implements Products {
  static final int ALGORITHM_BYTES = 64;

  /** Rows and summands of a product of which only the epilogue is of interest. */
  private static final long USUAL = 1024;

  private static final int CANDIDATES = 8;

  /** What NVIDIA advises for Hopper; others need less. */
  private static final long WORKSPACE_BYTES = 32L << 20;

  /** Addresses are known to the heuristics up to this alignment; the arena's is no less. */
  private static final int ALIGNMENT = 64;

  /**
   * Kernels that add a bias or sum its gradient read and write 16 bytes of it, whatever alignment
   * the heuristics were told: that is of the matrices alone.
   */
  private static final int BIAS_ALIGNMENT = 16;

  private enum Kind {
    FORWARD,
    BACKWARD_INPUT,
    BACKWARD_WEIGHT,
    BACKWARD_BIAS;

    /** Whether the rows are what a product sums over. */
    boolean sumsRows() {
      return this == BACKWARD_WEIGHT || this == BACKWARD_BIAS;
    }
  }

  /**
   * A product up to its addresses. With m, n, k as cuBLASLt counts them, that is of column-major D
   * (m,n) = A (m,k) B (k,n).
   *
   * @param alignment the least of all addresses, at most {@link #ALIGNMENT}
   */
  private record Shape(
      Kind kind,
      long m,
      long n,
      long k,
      int epilogue,
      DType dtype,
      DType biasDtype,
      boolean accumulate,
      int alignment) {
    /** The same with the number of rows rounded up, so that near ones share an algorithm. */
    Shape rounded() {
      return kind.sumsRows()
          ? new Shape(kind, m, n, round(k), epilogue, dtype, biasDtype, accumulate, alignment)
          : new Shape(kind, m, round(n), k, epilogue, dtype, biasDtype, accumulate, alignment);
    }

    private static long round(long rows) {
      long step = Math.max(8, Long.highestOneBit(rows) / 8);
      return (rows + step - 1) / step * step;
    }

    String key() {
      return String.join(
          "_",
          kind.name().toLowerCase(java.util.Locale.ROOT),
          m + "x" + n + "x" + k,
          "e" + epilogue,
          dtype.name(),
          biasDtype.name(),
          accumulate ? "acc" : "set",
          "a" + alignment);
    }
  }

  private final PresetRuntime runtime;
  private final CudaBackend backend;
  private final cublasLtContext handle = new cublasLtContext();
  private final Buffer workspace;
  private final ChoiceFile file;
  private final Map<Shape, cublasLtMatmulAlgo_t> algorithms = new HashMap<>();

  /** By epilogue, type, width and alignment: whether there is such an epilogue. */
  private final Map<List<Object>, Boolean> epilogues = new HashMap<>();

  /** By width, epilogue and alignment: whether bf16 products take an f32 bias. */
  private final Map<List<Object>, Boolean> takesF32Bias = new HashMap<>();

  /** By class of rows, widths, type, mode and alignment: whether the bias gradient is fused. */
  private final Map<List<Object>, Boolean> sumsBias = new HashMap<>();

  private final Map<DType, Buffer> ones = new EnumMap<>(DType.class);

  private Buffer biasScratch;

  // Descriptors and pointers that are filled in again for every call.
  private final cublasLtMatmulDescOpaque_t desc = new cublasLtMatmulDescOpaque_t();
  private final cublasLtMatrixLayoutOpaque_t aLayout = new cublasLtMatrixLayoutOpaque_t();
  private final cublasLtMatrixLayoutOpaque_t bLayout = new cublasLtMatrixLayoutOpaque_t();
  private final cublasLtMatrixLayoutOpaque_t dLayout = new cublasLtMatrixLayoutOpaque_t();
  private final FloatPointer one = new FloatPointer(1f);
  private final FloatPointer zero = new FloatPointer(0f);
  private final IntPointer intValue = new IntPointer(1);
  private final LongPointer longValue = new LongPointer(1);
  private final Address a = new Address();
  private final Address b = new Address();
  private final Address c = new Address();
  private final Address d = new Address();
  private final Address scratch = new Address();

  /** Why cuBLASLt cannot be used, or empty. */
  static Optional<String> unavailableReason() {
    return Linkage.problem("cuBLASLt", cublas::cublasLtGetVersion);
  }

  LtProducts(PresetRuntime runtime, CudaBackend backend) {
    this.runtime = runtime;
    this.backend = backend;
    check("cublasLtCreate", cublas.cublasLtCreate(handle));
    this.workspace = Buffer.allocate(backend, WORKSPACE_BYTES, true);
    this.file =
        ChoiceFile.of(
            "products", runtime.properties(), "" + cublas.cublasLtGetVersion(), ALGORITHM_BYTES);
  }

  @Override
  public boolean fusesForward(Activation activation, DType dtype, long pre, long F) {
    return activation == Activation.GELU_TANH
        && (pre == 0 || (dtype == DType.F32 && isAuxiliary(pre, F)))
        && offersEpilogue(
            pre == 0 ? cublas.CUBLASLT_EPILOGUE_GELU_BIAS : cublas.CUBLASLT_EPILOGUE_GELU_AUX_BIAS,
            dtype,
            pre,
            F);
  }

  @Override
  public boolean fusesBackward(Activation activation, DType dtype, long pre, long C) {
    return activation == Activation.GELU_TANH
        && isAuxiliary(pre, C)
        && offersEpilogue(cublas.CUBLASLT_EPILOGUE_DGELU, dtype, pre, C);
  }

  /** Whether there is such an epilogue for a type, asked about a product of usual size. */
  private boolean offersEpilogue(int epilogue, DType dtype, long aux, long width) {
    int alignment = alignment(aux);
    return epilogues.computeIfAbsent(
        List.of(epilogue, dtype, width, alignment),
        key -> {
          matrices(width, USUAL, USUAL, dtype, dtype, USUAL, true, USUAL, false);
          describe(epilogue, aux, width);
          if ((epilogue & cublas.CUBLASLT_EPILOGUE_BIAS) != 0) {
            describeBias(workspace.address(), dtype);
          }
          return offers(1, alignment, dtype) > 0;
        });
  }

  /** Whether cuBLASLt reads or writes pre-activations of this width at this address. */
  private static boolean isAuxiliary(long pre, long width) {
    return pre % 16 == 0 && width % 8 == 0;
  }

  @Override
  public void forward(LinearCall.Forward call) {
    long pre = call.pre();
    long N = call.N();
    long C = call.C();
    long F = call.F();
    DType dtype = call.dtype();
    boolean gelu = call.activation() == Activation.GELU_TANH;
    int epilogue =
        gelu
            ? (pre == 0 ? cublas.CUBLASLT_EPILOGUE_GELU : cublas.CUBLASLT_EPILOGUE_GELU_AUX)
            : cublas.CUBLASLT_EPILOGUE_DEFAULT;
    if (call.bias() != 0) {
      // Of this enumeration DEFAULT is a bit too, which no other epilogue carries.
      epilogue = gelu ? epilogue | cublas.CUBLASLT_EPILOGUE_BIAS : cublas.CUBLASLT_EPILOGUE_BIAS;
    }
    matrices(F, N, C, dtype, dtype, C, true, C, false);
    product(
        Kind.FORWARD,
        epilogue,
        call.out(),
        call.weight(),
        call.inp(),
        call.bias(),
        pre,
        F,
        N,
        C,
        F,
        dtype,
        dtype,
        false);
  }

  @Override
  public void backwardInput(LinearCall.BackwardInput call) {
    long N = call.N();
    long C = call.C();
    long F = call.F();
    DType dtype = call.dtype();
    int epilogue =
        call.activation() == Activation.GELU_TANH
            ? cublas.CUBLASLT_EPILOGUE_DGELU
            : cublas.CUBLASLT_EPILOGUE_DEFAULT;
    matrices(C, N, F, dtype, dtype, C, false, F, false);
    product(
        Kind.BACKWARD_INPUT,
        epilogue,
        call.dinp(),
        call.weight(),
        call.dout(),
        0,
        call.pre(),
        C,
        N,
        F,
        C,
        dtype,
        dtype,
        call.accumulate());
  }

  @Override
  public void backwardWeight(LinearCall.BackwardWeight call) {
    long dweight = call.dweight();
    long dbias = call.dbias();
    long dout = call.dout();
    long inp = call.inp();
    long N = call.N();
    long C = call.C();
    long F = call.F();
    boolean accumulate = call.accumulate();
    DType dtype = call.dtype();
    boolean fused =
        dbias != 0
            && dbias % BIAS_ALIGNMENT == 0
            && fusesBiasGradient(dweight, dbias, dout, inp, N, C, F, accumulate, dtype);
    weightGradient(dweight, fused ? dbias : 0, dout, inp, N, C, F, accumulate, dtype);
    if (dbias != 0 && !fused) {
      columnSums(dbias, dout, N, F, dtype);
    }
  }

  /**
   * Column sums as a product with a column of ones. That dout is the left operand keeps the wide
   * side of the result, and all strides, those of aligned memory.
   */
  private void columnSums(long dbias, long dout, long N, long F, DType dtype) {
    long ones = ones(N, dtype);
    matrices(F, 1, N, dtype, DType.F32, F, false, N, false);
    product(
        Kind.BACKWARD_BIAS,
        cublas.CUBLASLT_EPILOGUE_DEFAULT,
        dbias,
        dout,
        ones,
        0,
        0,
        F,
        1,
        N,
        F,
        dtype,
        DType.F32,
        false);
  }

  private void weightGradient(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype) {
    matrices(C, F, N, dtype, DType.F32, C, false, F, true);
    int epilogue = dbias == 0 ? cublas.CUBLASLT_EPILOGUE_DEFAULT : cublas.CUBLASLT_EPILOGUE_BGRADB;
    product(
        Kind.BACKWARD_WEIGHT,
        epilogue,
        dweight,
        inp,
        dout,
        dbias,
        0,
        C,
        F,
        N,
        C,
        dtype,
        DType.F32,
        accumulate);
  }

  /**
   * Whether cuBLASLt sums the columns of dout on its way: where it can, and where that is faster
   * than a product of its own, since fewer algorithms can. The choice is kept with the algorithms.
   */
  private boolean fusesBiasGradient(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype) {
    int alignment = alignment(dweight, dbias, dout, inp);
    long rows = Shape.round(N);
    List<Object> key = List.of(rows, C, F, dtype, accumulate, alignment);
    Boolean known = sumsBias.get(key);
    if (known != null) {
      return known;
    }
    String name =
        String.format(
            "bias_gradient_%dx%dx%d_%s_%s_a%d",
            rows, C, F, dtype.name(), accumulate ? "acc" : "set", alignment);
    byte[] choice = file.get(name);
    if (choice == null) {
      matrices(C, F, N, dtype, DType.F32, C, false, F, true);
      describe(cublas.CUBLASLT_EPILOGUE_BGRADB, 0, 0);
      describeBias(dbias, DType.F32);
      choice = new byte[ALGORITHM_BYTES];
      if (offers(1, alignment, DType.F32) > 0
          && fusedIsFaster(dbias, dout, inp, N, C, F, accumulate, dtype)) {
        choice[0] = 1;
      }
      file.put(name, choice);
    }
    known = choice[0] == 1;
    sumsBias.put(key, known);
    return known;
  }

  private boolean fusedIsFaster(
      long dbias, long dout, long inp, long N, long C, long F, boolean accumulate, DType dtype) {
    checkNotRecorded("a bias gradient");
    try (Buffer trial = Buffer.allocate(backend, C * F * Float.BYTES, true)) {
      long to = trial.address();
      Runnable fused = () -> weightGradient(to, dbias, dout, inp, N, C, F, accumulate, dtype);
      Runnable apart =
          () -> {
            weightGradient(to, 0, dout, inp, N, C, F, accumulate, dtype);
            columnSums(dbias, dout, N, F, dtype);
          };
      fused.run(); // algorithms are measured by their first product
      apart.run();
      return fastest(fused) < fastest(apart);
    }
  }

  /** At least {@code count} ones. */
  private long ones(long count, DType dtype) {
    Buffer old = ones.get(dtype);
    if (old != null && old.sizeBytes() >= count * dtype.sizeBytes()) {
      return old.address();
    }
    int size = Math.toIntExact(2 * count * dtype.sizeBytes());
    Buffer made = backend.scratch(old, size);
    ByteBuffer values = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    while (values.hasRemaining()) {
      if (dtype == DType.BF16) {
        values.putShort(DType.toBf16(1f));
      } else {
        values.putFloat(1f);
      }
    }
    ones.put(dtype, made);
    made.write(0, values.flip());
    return made.address();
  }

  /** Describes D (m,n) = op(A) op(B); lda and ldb are as the matrices lie in memory. */
  private void matrices(
      long m,
      long n,
      long k,
      DType dtype,
      DType outDtype,
      long lda,
      boolean transposeA,
      long ldb,
      boolean transposeB) {
    check(
        "cublasLtMatmulDescInit",
        cublas.cublasLtMatmulDescInit(desc, cublas.CUBLAS_COMPUTE_32F, cudart.CUDA_R_32F));
    set(cublas.CUBLASLT_MATMUL_DESC_TRANSA, transposeA ? cublas.CUBLAS_OP_T : cublas.CUBLAS_OP_N);
    set(cublas.CUBLASLT_MATMUL_DESC_TRANSB, transposeB ? cublas.CUBLAS_OP_T : cublas.CUBLAS_OP_N);
    layout(aLayout, dtype, transposeA ? k : m, transposeA ? m : k, lda);
    layout(bLayout, dtype, transposeB ? n : k, transposeB ? k : n, ldb);
    layout(dLayout, outDtype, m, n, m);
  }

  private void product(
      Kind kind,
      int epilogue,
      long out,
      long left,
      long right,
      long bias,
      long aux,
      long m,
      long n,
      long k,
      long auxStride,
      DType dtype,
      DType outDtype,
      boolean accumulate) {
    describe(epilogue, aux, auxStride);
    int alignment = alignment(out, left, right, bias, aux);
    a.at(left);
    b.at(right);
    c.at(out);
    d.at(out);
    DType biasDtype = biasDtype(kind, epilogue, bias, m, outDtype, alignment);
    Shape shape = new Shape(kind, m, n, k, epilogue, dtype, biasDtype, accumulate, alignment);
    cublasLtMatmulAlgo_t algorithm = algorithm(shape, outDtype);
    check("cublasLtMatmul", matmul(algorithm, accumulate));
  }

  private void describe(int epilogue, long aux, long auxStride) {
    set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (aux != 0) {
      set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux);
      set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, auxStride);
    }
  }

  private void describeBias(long bias, DType dtype) {
    set(cublas.CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(cublas.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type(dtype));
  }

  /**
   * Sets the bias (forward: an input) or its gradient. Not every version adds an f32 bias to a bf16
   * product; where none does, the bias is rounded to bf16 first, as PyTorch's autocast does. A bias
   * that is not aligned is copied to where it is.
   */
  private DType biasDtype(
      Kind kind, int epilogue, long bias, long m, DType outDtype, int alignment) {
    if (bias == 0) {
      return DType.F32;
    }
    describeBias(bias, DType.F32);
    boolean takesF32 =
        outDtype == DType.F32
            || kind == Kind.BACKWARD_WEIGHT
            || takesF32Bias.computeIfAbsent(
                List.of(m, epilogue, alignment), key -> offers(1, alignment, outDtype) > 0);
    if (takesF32 && bias % BIAS_ALIGNMENT == 0) {
      return DType.F32;
    }
    DType biasDtype = takesF32 ? DType.F32 : DType.BF16;
    biasScratch = backend.scratch(biasScratch, m * biasDtype.sizeBytes());
    backend.run(new CastCall(biasScratch.address(), bias, m, false, biasDtype, DType.F32));
    describeBias(biasScratch.address(), biasDtype);
    return biasDtype;
  }

  // ---- choice of the algorithm ------------------------------------------------------------------

  private cublasLtMatmulAlgo_t algorithm(Shape shape, DType outDtype) {
    cublasLtMatmulAlgo_t exact = algorithms.get(shape);
    if (exact != null) {
      return exact;
    }
    Shape rounded = shape.rounded();
    cublasLtMatmulAlgo_t near = algorithms.computeIfAbsent(rounded, r -> kept(r.key()));
    if (near != null && supports(near)) {
      algorithms.put(shape, near);
      return near;
    }
    // The first of its class decides for the class; one that this does not fit, for itself.
    String key = near == null ? rounded.key() : shape.key();
    cublasLtMatmulAlgo_t own = near == null ? null : kept(key);
    if (own == null || !supports(own)) {
      own = measured(shape, outDtype);
      byte[] bytes = new byte[ALGORITHM_BYTES];
      new BytePointer(own).capacity(ALGORITHM_BYTES).get(bytes);
      file.put(key, bytes);
    }
    algorithms.put(shape, own);
    if (near == null) {
      algorithms.put(rounded, own);
    }
    return own;
  }

  private cublasLtMatmulAlgo_t kept(String key) {
    byte[] bytes = file.get(key);
    if (bytes == null) {
      return null;
    }
    cublasLtMatmulAlgo_t algorithm = new cublasLtMatmulAlgo_t();
    new BytePointer(algorithm).capacity(ALGORITHM_BYTES).put(bytes);
    return algorithm;
  }

  private boolean supports(cublasLtMatmulAlgo_t algorithm) {
    try (cublasLtMatmulHeuristicResult_t result = new cublasLtMatmulHeuristicResult_t()) {
      int status =
          cublas.cublasLtMatmulAlgoCheck(
              handle, desc, aLayout, bLayout, dLayout, dLayout, algorithm, result);
      return status == cublas.CUBLAS_STATUS_SUCCESS && result.workspaceSize() <= WORKSPACE_BYTES;
    }
  }

  /** The number of algorithms offered, at most {@code wanted}, for what the descriptors say. */
  private int offers(int wanted, int alignment, DType outDtype) {
    try (cublasLtMatmulHeuristicResult_t results = new cublasLtMatmulHeuristicResult_t(wanted)) {
      return heuristics(results, wanted, alignment, outDtype);
    }
  }

  private int heuristics(
      cublasLtMatmulHeuristicResult_t results, int wanted, int alignment, DType outDtype) {
    try (cublasLtMatmulPreferenceOpaque_t preference = new cublasLtMatmulPreferenceOpaque_t()) {
      check("cublasLtMatmulPreferenceInit", cublas.cublasLtMatmulPreferenceInit(preference));
      longValue.put(WORKSPACE_BYTES);
      check(
          "cublasLtMatmulPreferenceSetAttribute",
          cublas.cublasLtMatmulPreferenceSetAttribute(
              preference, cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, longValue, Long.BYTES));
      for (int attribute :
          new int[] {
            cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
          }) {
        intValue.put(alignment);
        check(
            "cublasLtMatmulPreferenceSetAttribute",
            cublas.cublasLtMatmulPreferenceSetAttribute(
                preference, attribute, intValue, Integer.BYTES));
      }
      if (outDtype == DType.BF16) {
        // Sums stay f32: the other schemes add up parts of a sum in the type of the output.
        intValue.put(cublas.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
        check(
            "cublasLtMatmulPreferenceSetAttribute",
            cublas.cublasLtMatmulPreferenceSetAttribute(
                preference,
                cublas.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                intValue,
                Integer.BYTES));
      }
      int[] found = new int[1];
      int status =
          cublas.cublasLtMatmulAlgoGetHeuristic(
              handle, desc, aLayout, bLayout, dLayout, dLayout, preference, wanted, results, found);
      // What it cannot do is the one or the other, depending on who notices.
      if (status == cublas.CUBLAS_STATUS_NOT_SUPPORTED
          || status == cublas.CUBLAS_STATUS_INVALID_VALUE) {
        return 0;
      }
      check("cublasLtMatmulAlgoGetHeuristic", status);
      int usable = 0;
      while (usable < found[0]
          && results.getPointer(usable).state() == cublas.CUBLAS_STATUS_SUCCESS) {
        usable++;
      }
      return usable;
    }
  }

  /** The fastest of the algorithms that the heuristics offer for what the descriptors say. */
  private cublasLtMatmulAlgo_t measured(Shape shape, DType outDtype) {
    checkNotRecorded(shape.key());
    long outBytes = shape.m * shape.n * Float.BYTES; // of the wider type
    long out = d.address();
    // What accumulates must not do so once more for each trial.
    Buffer trial = shape.accumulate ? Buffer.allocate(backend, outBytes, true) : null;
    try (cublasLtMatmulHeuristicResult_t results =
        new cublasLtMatmulHeuristicResult_t(CANDIDATES)) {
      int found = heuristics(results, CANDIDATES, shape.alignment, outDtype);
      if (found == 0) {
        throw new UnsupportedOperationException("cuBLASLt has no algorithm for " + shape.key());
      }
      if (trial != null) {
        d.at(trial.address());
      }
      int best = -1;
      double bestSeconds = Double.POSITIVE_INFINITY;
      for (int i = 0; i < found; i++) {
        cublasLtMatmulAlgo_t candidate = results.getPointer(i).algo();
        if (matmul(candidate, shape.accumulate) != cublas.CUBLAS_STATUS_SUCCESS) {
          continue;
        }
        double seconds =
            fastest(() -> check("cublasLtMatmul", matmul(candidate, shape.accumulate)));
        if (seconds < bestSeconds) {
          bestSeconds = seconds;
          best = i;
        }
      }
      if (best < 0) {
        throw new UnsupportedOperationException("cuBLASLt cannot run " + shape.key());
      }
      cublasLtMatmulAlgo_t chosen = new cublasLtMatmulAlgo_t();
      Pointer.memcpy(chosen, results.getPointer(best).algo(), ALGORITHM_BYTES);
      return chosen;
    } finally {
      d.at(out);
      if (trial != null) {
        trial.close();
      }
    }
  }

  private void checkNotRecorded(String product) {
    Check.state(!backend.isCapturing(), "%s is new while a graph is being recorded", product);
  }

  /** Seconds of a call. */
  private double fastest(Runnable call) {
    return DeviceClock.seconds(runtime, workspace.address(), WORKSPACE_BYTES, call);
  }

  // ---- calls ------------------------------------------------------------------------------------

  private int matmul(cublasLtMatmulAlgo_t algorithm, boolean accumulate) {
    return cublas.cublasLtMatmul(
        handle,
        desc,
        one,
        a,
        aLayout,
        b,
        bLayout,
        accumulate ? one : zero,
        c,
        dLayout,
        d,
        dLayout,
        algorithm,
        scratch.at(workspace.address()),
        WORKSPACE_BYTES,
        runtime.streamPointer());
  }

  private static int alignment(long... addresses) {
    long bits = ALIGNMENT;
    for (long address : addresses) {
      bits |= address;
    }
    return (int) Long.lowestOneBit(bits);
  }

  private void set(int attribute, int value) {
    intValue.put(value);
    check(
        "cublasLtMatmulDescSetAttribute",
        cublas.cublasLtMatmulDescSetAttribute(desc, attribute, intValue, Integer.BYTES));
  }

  private void set(int attribute, long value) {
    longValue.put(value);
    check(
        "cublasLtMatmulDescSetAttribute",
        cublas.cublasLtMatmulDescSetAttribute(desc, attribute, longValue, Long.BYTES));
  }

  private static void layout(
      cublasLtMatrixLayoutOpaque_t layout, DType dtype, long rows, long cols, long stride) {
    check(
        "cublasLtMatrixLayoutInit",
        cublas.cublasLtMatrixLayoutInit(layout, type(dtype), rows, cols, stride));
  }

  private static int type(DType dtype) {
    return dtype == DType.BF16 ? cudart.CUDA_R_16BF : cudart.CUDA_R_32F;
  }

  @Override
  public void close() {
    workspace.close();
    ones.values().forEach(Buffer::close);
    if (biasScratch != null) {
      biasScratch.close();
    }
    check("cublasLtDestroy", cublas.cublasLtDestroy(handle));
  }

  /** A call that is refused leaves the device as it was; any other failure loses it. */
  private static void check(String call, int status) {
    String message = "status " + status + " (" + meaning(status) + ")";
    switch (status) {
      case cublas.CUBLAS_STATUS_SUCCESS -> {}
      case cublas.CUBLAS_STATUS_INVALID_VALUE,
          cublas.CUBLAS_STATUS_NOT_SUPPORTED,
          cublas.CUBLAS_STATUS_ARCH_MISMATCH ->
          throw new BackendException(call + ": " + message);
      case cublas.CUBLAS_STATUS_ALLOC_FAILED ->
          throw new DeviceMemoryException(call + ": " + message);
      default -> throw new CudaFailure(call, message);
    }
  }

  private static String meaning(int status) {
    return switch (status) {
      case cublas.CUBLAS_STATUS_NOT_INITIALIZED -> "not initialized";
      case cublas.CUBLAS_STATUS_ALLOC_FAILED -> "allocation failed";
      case cublas.CUBLAS_STATUS_INVALID_VALUE -> "invalid value";
      case cublas.CUBLAS_STATUS_ARCH_MISMATCH -> "not for this device";
      case cublas.CUBLAS_STATUS_EXECUTION_FAILED -> "execution failed";
      case cublas.CUBLAS_STATUS_INTERNAL_ERROR -> "internal error";
      case cublas.CUBLAS_STATUS_NOT_SUPPORTED -> "not supported";
      default -> "unknown";
    };
  }
}
