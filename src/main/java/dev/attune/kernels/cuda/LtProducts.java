package dev.attune.kernels.cuda;

import dev.attune.core.Cache;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.ChoiceFile;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.cuda.LtShape.Kind;
import dev.attune.memory.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.cuda.global.cublas;

/**
 * Products through cuBLASLt. Its matrices are column-major, so every row-major one of ours is
 * passed as its transpose: a row-major product {@code out (N,F)} is asked for as {@code (F,N)}.
 *
 * <p>Fused are the bias, the bias gradient where that is faster, and of the activations the tanh
 * approximation of GELU, which is the one that cuBLASLt's GELU epilogue computes. The exact GELU,
 * and the others, run as a kernel of ours after the product. So does the tanh approximation where
 * bf16 pre-activations are saved: the epilogue would apply it before the rounding, the contract
 * says after.
 */
final class LtProducts implements Products {
  /** Rows and summands of a product of which only the epilogue is of interest. */
  private static final long USUAL = 1024;

  /**
   * Kernels that add a bias or sum its gradient read and write 16 bytes of it, whatever alignment
   * the heuristics were told: that is of the matrices alone.
   */
  private static final int BIAS_ALIGNMENT = 16;

  private final Backend backend;
  private final Scratch scratch;
  private final LtMatmul matmul;
  private final ChoiceFile file;
  private final LtAlgorithms algorithms;

  /** By epilogue, type, width and alignment: whether there is such an epilogue. */
  private final Map<List<Object>, Boolean> epilogues = new HashMap<>();

  /** By width, epilogue and alignment: whether bf16 products take an f32 bias. */
  private final Map<List<Object>, Boolean> takesF32Bias = new HashMap<>();

  /** By class of rows, widths, type, mode and alignment: whether the bias gradient is fused. */
  private final Map<List<Object>, Boolean> sumsBias = new HashMap<>();

  private final Map<DType, Buffer> ones = new EnumMap<>(DType.class);

  private Buffer biasScratch;

  /** Why cuBLASLt cannot be used, or empty. */
  static Optional<String> unavailableReason() {
    return Linkage.problem("cuBLASLt", cublas::cublasLtGetVersion);
  }

  LtProducts(PresetRuntime runtime, Backend backend, Scratch scratch) {
    this.backend = backend;
    this.scratch = scratch;
    this.matmul = new LtMatmul(runtime, backend);
    this.file =
        ChoiceFile.of(
            Cache.user(),
            "products",
            runtime.properties().name(),
            "" + cublas.cublasLtGetVersion(),
            LtAlgorithms.BYTES);
    this.algorithms = new LtAlgorithms(matmul, backend, scratch, file);
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
    int alignment = LtShape.alignment(aux);
    return epilogues.computeIfAbsent(
        List.of(epilogue, dtype, width, alignment),
        key -> {
          matmul.matrices(Kind.FORWARD, width, USUAL, USUAL, dtype);
          matmul.epilogue(epilogue, aux, width);
          if ((epilogue & cublas.CUBLASLT_EPILOGUE_BIAS) != 0) {
            matmul.bias(matmul.anyAddress(), dtype);
          }
          return matmul.isOffered(alignment);
        });
  }

  /** Whether cuBLASLt reads or writes pre-activations of this width at this address. */
  private static boolean isAuxiliary(long pre, long width) {
    return pre % 16 == 0 && width % 8 == 0;
  }

  @Override
  public void forward(LinearCall.Forward call) {
    long pre = call.pre();
    boolean gelu = call.activation() == Activation.GELU_TANH;
    int epilogue =
        gelu
            ? (pre == 0 ? cublas.CUBLASLT_EPILOGUE_GELU : cublas.CUBLASLT_EPILOGUE_GELU_AUX)
            : cublas.CUBLASLT_EPILOGUE_DEFAULT;
    if (call.bias() != 0) {
      // Of this enumeration DEFAULT is a bit too, which no other epilogue carries.
      epilogue = gelu ? epilogue | cublas.CUBLASLT_EPILOGUE_BIAS : cublas.CUBLASLT_EPILOGUE_BIAS;
    }
    product(
        Kind.FORWARD,
        epilogue,
        call.out(),
        call.weight(),
        call.inp(),
        call.bias(),
        pre,
        call.F(),
        call.N(),
        call.C(),
        call.dtype(),
        false);
  }

  @Override
  public void backwardInput(LinearCall.BackwardInput call) {
    int epilogue =
        call.activation() == Activation.GELU_TANH
            ? cublas.CUBLASLT_EPILOGUE_DGELU
            : cublas.CUBLASLT_EPILOGUE_DEFAULT;
    product(
        Kind.BACKWARD_INPUT,
        epilogue,
        call.dinp(),
        call.weight(),
        call.dout(),
        0,
        call.pre(),
        call.C(),
        call.N(),
        call.F(),
        call.dtype(),
        call.accumulate());
  }

  @Override
  public void backwardWeight(LinearCall.BackwardWeight call) {
    boolean summed =
        call.dbias() != 0 && call.dbias() % BIAS_ALIGNMENT == 0 && fusesBiasGradient(call);
    if (call.dbias() == 0 || summed) {
      weightGradient(call);
    } else {
      gradientsApart(call);
    }
  }

  /** The gradient of the weight, and on the way that of the bias where there is one. */
  private void weightGradient(LinearCall.BackwardWeight call) {
    product(
        Kind.BACKWARD_WEIGHT,
        call.dbias() == 0 ? cublas.CUBLASLT_EPILOGUE_DEFAULT : cublas.CUBLASLT_EPILOGUE_BGRADB,
        call.dweight(),
        call.inp(),
        call.dout(),
        call.dbias(),
        0,
        call.C(),
        call.F(),
        call.N(),
        call.dtype(),
        call.accumulate());
  }

  /**
   * The gradients of weight and bias, each by a product: column sums are one with a column of ones.
   * That dout is then the left operand keeps the wide side of the result, and all strides, those of
   * aligned memory.
   */
  private void gradientsApart(LinearCall.BackwardWeight call) {
    weightGradient(into(call.dweight(), 0, call));
    product(
        Kind.BACKWARD_BIAS,
        cublas.CUBLASLT_EPILOGUE_DEFAULT,
        call.dbias(),
        call.dout(),
        ones(call.N(), call.dtype()),
        0,
        0,
        call.F(),
        1,
        call.N(),
        call.dtype(),
        false);
  }

  /** A call with its results elsewhere. */
  private static LinearCall.BackwardWeight into(
      long dweight, long dbias, LinearCall.BackwardWeight call) {
    return new LinearCall.BackwardWeight(
        dweight,
        dbias,
        call.dout(),
        call.inp(),
        call.N(),
        call.C(),
        call.F(),
        call.accumulate(),
        call.dtype());
  }

  /**
   * Whether cuBLASLt sums the columns of dout on its way: where it can, and where that is faster
   * than a product of its own, since fewer algorithms can. The choice is kept with the algorithms.
   */
  private boolean fusesBiasGradient(LinearCall.BackwardWeight call) {
    int alignment = LtShape.alignment(call.dweight(), call.dbias(), call.dout(), call.inp());
    long rows = LtShape.round(call.N());
    List<Object> key =
        List.of(rows, call.C(), call.F(), call.dtype(), call.accumulate(), alignment);
    Boolean known = sumsBias.get(key);
    if (known != null) {
      return known;
    }
    String name =
        String.format(
            "bias_gradient_%dx%dx%d_%s_%s_a%d",
            rows,
            call.C(),
            call.F(),
            call.dtype().name(),
            call.accumulate() ? "acc" : "set",
            alignment);
    byte[] choice = file.get(name);
    if (choice == null) {
      matmul.matrices(Kind.BACKWARD_WEIGHT, call.C(), call.F(), call.N(), call.dtype());
      matmul.epilogue(cublas.CUBLASLT_EPILOGUE_BGRADB, 0, 0);
      matmul.bias(call.dbias(), DType.F32);
      choice = new byte[LtAlgorithms.BYTES];
      if (matmul.isOffered(alignment) && fusedIsFaster(call)) {
        choice[0] = 1;
      }
      file.put(name, choice);
    }
    known = choice[0] == 1;
    sumsBias.put(key, known);
    return known;
  }

  private boolean fusedIsFaster(LinearCall.BackwardWeight call) {
    algorithms.checkNotRecorded("a bias gradient");
    try (Buffer trial = Buffer.allocate(backend, call.C() * call.F() * Float.BYTES, true)) {
      LinearCall.BackwardWeight there = into(trial.address(), call.dbias(), call);
      Runnable fused = () -> weightGradient(there);
      Runnable apart = () -> gradientsApart(there);
      fused.run(); // algorithms are measured by their first product
      apart.run();
      return matmul.seconds(fused) < matmul.seconds(apart);
    }
  }

  /** At least {@code count} ones. */
  private long ones(long count, DType dtype) {
    Buffer old = ones.get(dtype);
    if (old != null && old.sizeBytes() >= count * dtype.sizeBytes()) {
      return old.address();
    }
    int size = Math.toIntExact(2 * count * dtype.sizeBytes());
    Buffer made = scratch.grown(old, size);
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

  /**
   * Runs {@code out (m,n) = op(left) op(right)}; see {@link LtShape}.
   *
   * @param bias of which the epilogue makes use, or its gradient; or 0
   * @param aux pre-activations (m,n); or 0
   */
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
      DType dtype,
      boolean accumulate) {
    matmul.matrices(kind, m, n, k, dtype);
    matmul.epilogue(epilogue, aux, m);
    matmul.operands(left, right, out);
    int alignment = LtShape.alignment(out, left, right, bias, aux);
    DType biasDtype = biasDtype(kind, epilogue, bias, m, dtype, alignment);
    LtShape shape = new LtShape(kind, m, n, k, epilogue, dtype, biasDtype, accumulate, alignment);
    matmul.run(algorithms.of(shape), accumulate);
  }

  /**
   * Sets the bias (forward: an input) or its gradient. Not every version adds an f32 bias to a bf16
   * product; where none does, the bias is rounded to bf16 first, as PyTorch's autocast does. A bias
   * that is not aligned is copied to where it is.
   */
  private DType biasDtype(Kind kind, int epilogue, long bias, long m, DType dtype, int alignment) {
    if (bias == 0) {
      return DType.F32;
    }
    matmul.bias(bias, DType.F32);
    boolean takesF32 =
        kind.outDtype(dtype) == DType.F32
            || takesF32Bias.computeIfAbsent(
                List.of(m, epilogue, alignment), key -> matmul.isOffered(alignment));
    if (takesF32 && bias % BIAS_ALIGNMENT == 0) {
      return DType.F32;
    }
    DType biasDtype = takesF32 ? DType.F32 : DType.BF16;
    biasScratch = scratch.grown(biasScratch, m * biasDtype.sizeBytes());
    backend.run(new CastCall(biasScratch.address(), bias, m, false, biasDtype, DType.F32));
    matmul.bias(biasScratch.address(), biasDtype);
    return biasDtype;
  }

  @Override
  public void close() {
    ones.values().forEach(Buffer::close);
    if (biasScratch != null) {
      biasScratch.close();
    }
    matmul.close();
  }
}
