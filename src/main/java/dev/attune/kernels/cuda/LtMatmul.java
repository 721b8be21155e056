package dev.attune.kernels.cuda;

import static dev.attune.kernels.cuda.LtStatus.check;

import dev.attune.core.DType;
import dev.attune.kernels.cuda.LtShape.Kind;
import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/**
 * One product as cuBLASLt's descriptors say it, filled in again for every call so that calls leave
 * no garbage: first {@link #matrices}, then {@link #epilogue}, {@link #bias} and {@link #operands};
 * then algorithms can be asked for, and one be run.
 */
final class LtMatmul implements AutoCloseable {
  /** What NVIDIA advises for Hopper; others need less. */
  private static final long WORKSPACE_BYTES = 32L << 20;

  private final PresetRuntime runtime;
  private final cublasLtContext handle = new cublasLtContext();
  private final Buffer workspace;

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
  private DType outDtype;

  LtMatmul(PresetRuntime runtime, Allocator allocator) {
    this.runtime = runtime;
    check("cublasLtCreate", cublas.cublasLtCreate(handle));
    this.workspace = Buffer.allocate(allocator, WORKSPACE_BYTES, true);
  }

  // ---- descriptors -----------------------------------------------------------------------------

  /** Describes D (m,n) = op(A) (m,k) op(B) (k,n), without epilogue; see {@link LtShape}. */
  void matrices(Kind kind, long m, long n, long k, DType dtype) {
    outDtype = kind.outDtype(dtype);
    check(
        "cublasLtMatmulDescInit",
        cublas.cublasLtMatmulDescInit(desc, cublas.CUBLAS_COMPUTE_32F, cudart.CUDA_R_32F));
    set(cublas.CUBLASLT_MATMUL_DESC_TRANSA, operation(kind.transposesA));
    set(cublas.CUBLASLT_MATMUL_DESC_TRANSB, operation(kind.transposesB));
    layout(aLayout, dtype, kind.transposesA ? k : m, kind.transposesA ? m : k);
    layout(bLayout, dtype, kind.transposesB ? n : k, kind.transposesB ? k : n);
    layout(dLayout, outDtype, m, n);
  }

  private static int operation(boolean transpose) {
    return transpose ? cublas.CUBLAS_OP_T : cublas.CUBLAS_OP_N;
  }

  private static void layout(
      cublasLtMatrixLayoutOpaque_t layout, DType dtype, long rows, long cols) {
    check(
        "cublasLtMatrixLayoutInit",
        cublas.cublasLtMatrixLayoutInit(layout, type(dtype), rows, cols, rows));
  }

  /**
   * Describes what is fused into the product.
   *
   * @param aux pre-activations, written by an activation and read by its derivative; or 0
   * @param auxStride between their columns
   */
  void epilogue(int epilogue, long aux, long auxStride) {
    set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (aux != 0) {
      set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux);
      set(cublas.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, auxStride);
    }
  }

  /** Describes the bias that the epilogue adds, or the gradient of it that it sums. */
  void bias(long address, DType dtype) {
    set(cublas.CUBLASLT_MATMUL_DESC_BIAS_POINTER, address);
    set(cublas.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type(dtype));
  }

  /** Says where the matrices are. */
  void operands(long left, long right, long out) {
    a.at(left);
    b.at(right);
    c.at(out);
    d.at(out);
  }

  /** Where D is written. */
  long target() {
    return d.address();
  }

  /** Writes D elsewhere; what it accumulates to is still read where {@link #operands} said. */
  void target(long address) {
    d.at(address);
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

  private static int type(DType dtype) {
    return dtype == DType.BF16 ? cudart.CUDA_R_16BF : cudart.CUDA_R_32F;
  }

  // ---- algorithms ------------------------------------------------------------------------------

  /** Whether an algorithm can run what is described. */
  boolean supports(cublasLtMatmulAlgo_t algorithm) {
    try (cublasLtMatmulHeuristicResult_t result = new cublasLtMatmulHeuristicResult_t()) {
      int status =
          cublas.cublasLtMatmulAlgoCheck(
              handle, desc, aLayout, bLayout, dLayout, dLayout, algorithm, result);
      return status == cublas.CUBLAS_STATUS_SUCCESS && result.workspaceSize() <= WORKSPACE_BYTES;
    }
  }

  /** Whether any algorithm is offered for what is described. */
  boolean isOffered(int alignment) {
    try (cublasLtMatmulHeuristicResult_t results = new cublasLtMatmulHeuristicResult_t(1)) {
      return offers(results, 1, alignment) > 0;
    }
  }

  /**
   * Asks for algorithms for what is described.
   *
   * @param results receives them, the best first
   * @param wanted how many at most
   * @return how many are offered
   */
  int offers(cublasLtMatmulHeuristicResult_t results, int wanted, int alignment) {
    try (cublasLtMatmulPreferenceOpaque_t preference = new cublasLtMatmulPreferenceOpaque_t()) {
      prefer(preference, alignment);
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

  /** Says which algorithms are acceptable. */
  private void prefer(cublasLtMatmulPreferenceOpaque_t preference, int alignment) {
    check("cublasLtMatmulPreferenceInit", cublas.cublasLtMatmulPreferenceInit(preference));
    longValue.put(WORKSPACE_BYTES);
    check(
        "cublasLtMatmulPreferenceSetAttribute",
        cublas.cublasLtMatmulPreferenceSetAttribute(
            preference, cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, longValue, Long.BYTES));
    prefer(preference, cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment);
    prefer(preference, cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment);
    prefer(preference, cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment);
    prefer(preference, cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment);
    if (outDtype == DType.BF16) {
      // Sums stay f32: the other schemes add up parts of a sum in the type of the output.
      prefer(
          preference,
          cublas.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
          cublas.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
    }
  }

  private void prefer(cublasLtMatmulPreferenceOpaque_t preference, int attribute, int value) {
    intValue.put(value);
    check(
        "cublasLtMatmulPreferenceSetAttribute",
        cublas.cublasLtMatmulPreferenceSetAttribute(
            preference, attribute, intValue, Integer.BYTES));
  }

  // ---- execution -------------------------------------------------------------------------------

  /**
   * Enqueues what is described.
   *
   * @param accumulate whether the product is added to what is there
   * @return cuBLASLt's status
   */
  int enqueue(cublasLtMatmulAlgo_t algorithm, boolean accumulate) {
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

  /** {@link #enqueue}, which must go well. */
  void run(cublasLtMatmulAlgo_t algorithm, boolean accumulate) {
    check("cublasLtMatmul", enqueue(algorithm, accumulate));
  }

  /** Seconds of work on the device, which may use the workspace. */
  double seconds(Runnable work) {
    return DeviceClock.seconds(runtime, workspace.address(), WORKSPACE_BYTES, work);
  }

  /** An address as good as any that is aligned, for questions on products that are not run. */
  long anyAddress() {
    return workspace.address();
  }

  @Override
  public void close() {
    workspace.close();
    check("cublasLtDestroy", cublas.cublasLtDestroy(handle));
  }
}
