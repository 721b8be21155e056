package dev.attune.kernels.cuda;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.Device;
import dev.attune.kernels.Activation;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.DeviceStep;
import dev.attune.kernels.NativeLibrary;
import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.bytedeco.javacpp.LongPointer;

/**
 * An NVIDIA GPU: our kernels ({@code native/cuda}), cuBLASLt's products, one stream.
 *
 * <p>Calls return when their work is enqueued; {@link #download} and {@link #synchronize} wait for
 * it. A fault of the device surfaces there or at any later call, and from then on every call fails
 * with the same message. A bad index that a kernel meets surfaces at the next {@link #download}.
 */
public final class CudaBackend extends CudaKernels {
  private static final int ROW_STEP = 64;

  /**
   * What an arena leaves of the free memory, at least; and one part in {@value #SPARE_PARTS} of the
   * device's. Staging, scratch of products, kernels that are loaded when they are first used,
   * recorded graphs, other processes.
   */
  private static final long SPARE_BYTES = 256L << 20;

  private static final long SPARE_PARTS = 32;

  /** And where cuDNN is: one part in so many, for the scores that its backward pass keeps. */
  private static final int CUDNN_SHARE = 32;

  /** Its backward pass over packed sequences needs Hopper's instructions. */
  private static final int CUDNN_CAPABILITY = 90;

  private final CudaRuntime runtime;
  private final Products products;
  private final AttentionChoice attention; // null: ours alone
  private final long workspace;
  private final Transfers transfers;
  private Buffer weightScratch;
  private Buffer productScratch;
  private final CudaStep step;
  private final List<Buffer> retired = new ArrayList<>();
  private boolean graphsExist;
  private boolean capturing;
  private long reservedBytes;
  private long peakReservedBytes;
  private long ctx;
  private String lost;

  /**
   * Why {@link #open} would fail, in one line that names what is missing; empty if it would not.
   */
  public static Optional<String> unavailableReason() {
    Optional<String> runtime = PresetRuntime.unavailableReason();
    if (runtime.isPresent()) {
      return runtime;
    }
    try {
      CudaLibrary.load();
    } catch (BackendException e) {
      return Optional.of(e.getMessage());
    }
    return LtProducts.unavailableReason();
  }

  /** What is here and what is missing, part by part, for people. */
  public static Map<String, String> findings() {
    Map<String, String> findings = new LinkedHashMap<>();
    String kernels;
    try {
      kernels = NativeLibrary.locate("libattune_cuda.so").toString();
    } catch (BackendException e) {
      kernels =
          "missing: " + e.getMessage() + " (they are built where the CUDA toolkit's nvcc is found)";
    }
    findings.put("cuda kernels", kernels);
    findings.put(
        "cuda device",
        PresetRuntime.unavailableReason().map(reason -> "missing: " + reason).orElse("found"));
    if (PresetRuntime.unavailableReason().isPresent()) {
      findings.put("cuda products", "cuBLASLt is looked for where there is a device");
      findings.put("cuda attention", "cuDNN is looked for where there is a device");
      return findings;
    }
    findings.put(
        "cuda products",
        LtProducts.unavailableReason().map(reason -> "missing: " + reason).orElse("cuBLASLt"));
    findings.put(
        "cuda attention",
        CudnnAttention.unavailableReason()
            .map(reason -> "our own kernels; cuDNN's are not tried beside them: " + reason)
            .orElseGet(AttentionChoice::findings));
    return findings;
  }

  /**
   * Opens the first device that CUDA shows (CUDA_VISIBLE_DEVICES chooses).
   *
   * @throws BackendException if there is none or something is missing; see {@link
   *     #unavailableReason}
   */
  public static CudaBackend open() {
    unavailableReason()
        .ifPresent(
            reason -> {
              throw new BackendException(reason);
            });
    PresetRuntime runtime;
    try {
      runtime = new PresetRuntime();
    } catch (CudaFailure e) {
      throw new BackendException("the CUDA device cannot be opened: " + e.getMessage(), e);
    }
    return new CudaBackend(
        runtime,
        backend -> new LtProducts(runtime, backend),
        backend -> attention(runtime, backend));
  }

  /** cuDNN's attention beside ours where it can be used; else null. */
  private static AttentionChoice attention(PresetRuntime runtime, CudaBackend backend) {
    String wanted = System.getenv().getOrDefault("ATTUNE_CUDNN", "1");
    Check.input(
        wanted.equals("0") || wanted.equals("1"),
        "ATTUNE_CUDNN is '%s'; allowed are 0 and 1",
        wanted);
    if (wanted.equals("0")
        || runtime.properties().capability() < CUDNN_CAPABILITY
        || CudnnAttention.unavailableReason().isPresent()) {
      return null;
    }
    try {
      CudnnAttention cudnn = new CudnnAttention(runtime, backend);
      return new AttentionChoice(
          backend, runtime, cudnn, AttentionChoice.file(runtime.properties(), cudnn));
    } catch (CudaFailure e) {
      backend.synchronize(); // throws where the device itself is what failed
      return null;
    }
  }

  /**
   * @param products made once the kernels can be called
   * @param attention likewise; may give null
   */
  CudaBackend(
      CudaRuntime runtime,
      Function<CudaBackend, Products> products,
      Function<CudaBackend, AttentionChoice> attention) {
    this.runtime = runtime;
    this.workspace = allocate(CudaNative.workspaceBytes(), false);
    this.ctx =
        CudaNative.contextOpen(
            runtime.device(), runtime.stream(), workspace, CudaNative.workspaceBytes());
    if (ctx == 0) {
      String message = CudaLibrary.lastError();
      runtime.close();
      throw new BackendException("the CUDA device cannot be opened: " + message);
    }
    try {
      this.transfers = new Transfers(runtime);
      this.step = new CudaStep(this, runtime);
      this.products = products.apply(this);
      this.attention = attention.apply(this);
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Device device() {
    return Device.CUDA;
  }

  @Override
  public String description() {
    CudaRuntime.Properties p = runtime.properties();
    return String.format(
        "cuda, %s, compute capability %d.%d, %d multiprocessors, %d GiB, CUDA %s%s",
        p.name(),
        p.capability() / 10,
        p.capability() % 10,
        p.multiprocessors(),
        p.memoryBytes() >> 30,
        CudaRuntime.Properties.version(p.runtime()),
        attention == null ? "" : ", attention also by " + attention.engineName());
  }

  /** Since compute capability 8.0, which is also what the kernels are built for. */
  @Override
  public boolean hasFastBf16() {
    return runtime.properties().capability() >= 80;
  }

  @Override
  public boolean wantsBf16Weights() {
    return true;
  }

  /**
   * To a multiple of a sixteenth of their magnitude, and of {@value #ROW_STEP}: few enough counts
   * for each to have its graph recorded, at 2 % more rows on average from 1,024 on.
   */
  @Override
  public int paddedRows(int rows) {
    int granule = Math.max(ROW_STEP, Integer.highestOneBit(rows) / 16);
    return (rows + granule - 1) / granule * granule;
  }

  /** Without an engine beside ours, attention has no use for the bound. */
  @Override
  public int paddedLength(int length) {
    return attention == null ? Integer.MAX_VALUE : AttentionChoice.rounded(length);
  }

  @Override
  public DeviceStep deviceStep() {
    return step;
  }

  @Override
  public long reservableBytes() {
    ctx();
    try {
      long free = runtime.freeBytes();
      long spare = Math.max(SPARE_BYTES, runtime.properties().memoryBytes() / SPARE_PARTS);
      spare += attention == null ? 0 : free / CUDNN_SHARE;
      return Math.max(SPARE_BYTES, free - spare) / 4096 * 4096;
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  @Override
  public long peakReservedBytes() {
    return peakReservedBytes;
  }

  @Override
  long ctx() {
    if (lost != null) {
      throw new BackendException(lost);
    }
    Check.state(ctx != 0, "the cuda backend is closed");
    return ctx;
  }

  @Override
  void check(int status) {
    if (status == 0) {
      return;
    }
    String message = CudaLibrary.lastError();
    throw switch (status) {
      case 1 -> new IllegalArgumentException(message);
      case 2 -> new UnsupportedOperationException(message);
      case 3 -> new DeviceMemoryException(message);
      case 4 -> lost(message);
      case 6 -> new IllegalStateException(message);
      default -> new BackendException(message);
    };
  }

  boolean isLost() {
    return lost != null;
  }

  boolean isCapturing() {
    return capturing;
  }

  void beginCapture() {
    check(runtime.beginCapture(ctx()));
    capturing = true;
  }

  /** Ends a capture; returns the graph. */
  long endCapture() {
    capturing = false;
    try (LongPointer graph = new LongPointer(1)) {
      check(runtime.endCapture(ctx(), graph));
      graphsExist = true;
      return graph.get();
    }
  }

  /** Ends a capture that failed on the way, for whose failure there is an exception already. */
  void abandonCapture() {
    capturing = false;
    try (LongPointer graph = new LongPointer(1)) {
      if (lost == null && runtime.endCapture(ctx(), graph) == 0) {
        check(runtime.destroy(ctx(), graph.get()));
      }
    }
  }

  void launch(long graph) {
    check(runtime.launch(ctx(), graph));
  }

  void destroy(long graph) {
    if (lost == null) {
      check(runtime.destroy(ctx(), graph));
    }
  }

  private BackendException lost(String message) {
    lost =
        "the GPU has failed and this process cannot use it any more: "
            + message
            + "; start again, with --resume from the last checkpoint if there is one";
    return new BackendException(lost);
  }

  /** Marks the device as lost. */
  BackendException lost(CudaFailure failure) {
    BackendException e = lost(failure.getMessage());
    e.initCause(failure);
    return e;
  }

  // ---- memory --------------------------------------------------------------------------------

  @Override
  public long allocate(long sizeBytes, boolean hugePages) {
    Check.argument(sizeBytes > 0, "allocate: sizeBytes is %d, must be positive", sizeBytes);
    Check.state(!capturing, "%d bytes are wanted while a graph is being recorded", sizeBytes);
    Check.state(workspace == 0 || ctx() != 0, "the cuda backend is closed");
    try {
      long address = runtime.allocate(sizeBytes);
      if (address == 0) {
        throw new DeviceMemoryException(
            String.format(
                "out of GPU memory: %d bytes (%d MiB) were wanted, %d of %d MiB are free",
                sizeBytes,
                sizeBytes >> 20,
                runtime.freeBytes() >> 20,
                runtime.properties().memoryBytes() >> 20));
      }
      runtime.zero(address, sizeBytes);
      reservedBytes += sizeBytes;
      peakReservedBytes = Math.max(peakReservedBytes, reservedBytes);
      return address;
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  /** Once the device is lost its memory is gone with it, and there is nothing to do. */
  @Override
  public void free(long address, long sizeBytes) {
    if (lost != null) {
      return;
    }
    ctx();
    try {
      runtime.free(address);
      reservedBytes -= sizeBytes;
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  /** A hint that means nothing to a device. */
  @Override
  public void advise(long address, long sizeBytes, boolean hugePages) {
    ctx();
  }

  /** Zeroes the range: memory of a device is not given back in parts. */
  @Override
  public void discard(long address, long sizeBytes) {
    fillZero(address, sizeBytes);
  }

  @Override
  public boolean hasViews() {
    return false;
  }

  @Override
  public ByteBuffer view(long address, long sizeBytes) {
    throw new UnsupportedOperationException("the host cannot address the memory of a GPU");
  }

  @Override
  public void upload(long address, ByteBuffer source) {
    ctx();
    try {
      transfers.upload(address, source);
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  @Override
  public void download(ByteBuffer target, long address) {
    ctx();
    try {
      transfers.download(target, address, this::synchronize);
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  @Override
  public void synchronize() {
    check(CudaNative.check(ctx()));
  }

  @Override
  public void close() {
    if (ctx == 0) {
      return;
    }
    long closing = ctx;
    boolean works = lost == null;
    if (works) {
      for (Buffer scratch : new Buffer[] {weightScratch, productScratch}) {
        if (scratch != null) {
          scratch.close();
        }
      }
      retired.forEach(Buffer::close);
      products.close();
      if (attention != null) {
        attention.close();
      }
    }
    ctx = 0;
    CudaNative.contextClose(closing);
    if (!works) {
      return; // what belongs to a lost device cannot be freed, and goes with the process
    }
    try {
      transfers.close();
      runtime.free(workspace);
      runtime.synchronize();
      runtime.close();
    } catch (CudaFailure e) {
      throw new BackendException("the CUDA device cannot be closed: " + e.getMessage(), e);
    }
  }

  // ---- attention -----------------------------------------------------------------------------

  @Override
  public void attentionForward(
      long out,
      long lse,
      long q,
      long k,
      long v,
      long cuQ,
      long cuK,
      long qStride,
      long kvStride,
      long B,
      long maxLength,
      long H,
      long Hkv,
      long D,
      float scale,
      boolean causal,
      long window,
      float p,
      long seed,
      long stream,
      DType dtype) {
    Runnable ours =
        () ->
            super.attentionForward(
                out, lse, q, k, v, cuQ, cuK, qStride, kvStride, B, maxLength, H, Hkv, D, scale,
                causal, window, p, seed, stream, dtype);
    boolean packed =
        isPacked(q, k, v, cuQ, cuK, qStride, kvStride, H, Hkv, D) && areAligned(q, out);
    Shape shape =
        attention == null
            ? null
            : AttentionChoice.shape(
                packed, B, maxLength, H, Hkv, D, scale, causal, window, p, dtype);
    if (shape == null) {
      ours.run();
    } else {
      attention.forward(shape, new AttentionEngine.Batch(B, cuQ, q), out, lse, ours);
    }
  }

  @Override
  public void attentionBackward(
      long dq,
      long dk,
      long dv,
      long dout,
      long q,
      long k,
      long v,
      long out,
      long lse,
      long cuQ,
      long cuK,
      long qStride,
      long kvStride,
      long B,
      long maxLength,
      long H,
      long Hkv,
      long D,
      float scale,
      boolean causal,
      long window,
      float p,
      long seed,
      long stream,
      DType dtype) {
    Runnable ours =
        () ->
            super.attentionBackward(
                dq, dk, dv, dout, q, k, v, out, lse, cuQ, cuK, qStride, kvStride, B, maxLength, H,
                Hkv, D, scale, causal, window, p, seed, stream, dtype);
    boolean packed =
        isPacked(q, k, v, cuQ, cuK, qStride, kvStride, H, Hkv, D)
            && isPacked(dq, dk, dv, cuQ, cuK, qStride, kvStride, H, Hkv, D)
            && areAligned(q, out, dout, dq);
    Shape shape =
        attention == null
            ? null
            : AttentionChoice.shape(
                packed, B, maxLength, H, Hkv, D, scale, causal, window, p, dtype);
    if (shape == null) {
      ours.run();
    } else {
      attention.backward(shape, new AttentionEngine.Batch(B, cuQ, q), out, lse, dout, dq, ours);
    }
  }

  /** Whether the three are the parts of bf16 rows, and queries and keys belong to the same rows. */
  private static boolean isPacked(
      long q,
      long k,
      long v,
      long cuQ,
      long cuK,
      long qStride,
      long kvStride,
      long H,
      long Hkv,
      long D) {
    return cuQ == cuK
        && qStride == (H + 2 * Hkv) * D
        && kvStride == qStride
        && k == q + H * D * DType.BF16.sizeBytes()
        && v == k + Hkv * D * DType.BF16.sizeBytes();
  }

  private static boolean areAligned(long... addresses) {
    long bits = 0;
    for (long address : addresses) {
      bits |= address;
    }
    return bits % 16 == 0;
  }

  // ---- products ------------------------------------------------------------------------------

  @Override
  public void linearForward(
      long out,
      long pre,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation,
      DType dtype,
      DType weightDtype) {
    String op = "linear_fwd";
    ctx();
    checkShape(op, N, C, F, dtype);
    checkWeight(op, weightDtype);
    if (N == 0) {
      return;
    }
    present(op, "out", out);
    present(op, "inp", inp);
    present(op, "weight", weight);
    long w = operand(weight, F, C, dtype, weightDtype);
    try {
      if (activation == Activation.NONE) {
        products.forward(out, 0, inp, w, bias, N, C, F, activation, dtype);
        if (pre != 0) {
          copy(pre, out, N * F * dtype.sizeBytes());
        }
      } else if (products.fusesForward(activation, dtype, pre, F)) {
        products.forward(out, pre, inp, w, bias, N, C, F, activation, dtype);
      } else {
        long product = pre != 0 ? pre : out;
        products.forward(product, 0, inp, w, bias, N, C, F, Activation.NONE, dtype);
        activationForward(out, product, N * F, activation, dtype);
      }
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  @Override
  public void linearBackwardInput(
      long dinp,
      long actOut,
      long dout,
      long weight,
      long pre,
      long N,
      long C,
      long F,
      Activation activation,
      boolean accumulate,
      DType dtype,
      DType weightDtype) {
    String op = "linear_bwd_input";
    ctx();
    checkShape(op, N, C, F, dtype);
    checkWeight(op, weightDtype);
    if (N == 0) {
      return;
    }
    present(op, "dinp", dinp);
    present(op, "dout", dout);
    present(op, "weight", weight);
    if (activation != Activation.NONE || actOut != 0) {
      present(op, "pre", pre);
    }
    long w = operand(weight, F, C, dtype, weightDtype);
    try {
      if (activation == Activation.NONE) {
        products.backwardInput(dinp, dout, w, 0, N, C, F, activation, accumulate, dtype);
      } else if (products.fusesBackward(activation, dtype, pre, C) && !accumulate) {
        products.backwardInput(dinp, dout, w, pre, N, C, F, activation, false, dtype);
      } else {
        long product = dinp;
        if (accumulate) {
          productScratch = scratch(productScratch, N * C * dtype.sizeBytes());
          product = productScratch.address();
        }
        products.backwardInput(product, dout, w, 0, N, C, F, Activation.NONE, false, dtype);
        activationBackward(dinp, product, pre, N * C, activation, accumulate, dtype);
      }
    } catch (CudaFailure e) {
      throw lost(e);
    }
    if (actOut != 0) {
      activationForward(actOut, pre, N * C, activation, dtype);
    }
  }

  @Override
  public void linearBackwardWeight(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype) {
    String op = "linear_bwd_weight";
    ctx();
    checkShape(op, N, C, F, dtype);
    present(op, "dweight", dweight);
    if (N == 0) {
      if (!accumulate) {
        fillZero(dweight, F * C * Float.BYTES);
        if (dbias != 0) {
          fillZero(dbias, F * Float.BYTES);
        }
      }
      return;
    }
    present(op, "dout", dout);
    present(op, "inp", inp);
    try {
      if (accumulate && dbias != 0) {
        productScratch = scratch(productScratch, F * Float.BYTES);
        long sums = productScratch.address();
        products.backwardWeight(dweight, sums, dout, inp, N, C, F, true, dtype);
        cast(dbias, sums, F, true, DType.F32, DType.F32);
      } else {
        products.backwardWeight(dweight, dbias, dout, inp, N, C, F, accumulate, dtype);
      }
    } catch (CudaFailure e) {
      throw lost(e);
    }
  }

  /** A weight in the type of the activations: itself, or converted into scratch. */
  private long operand(long weight, long F, long C, DType dtype, DType weightDtype) {
    if (weightDtype == dtype) {
      return weight;
    }
    weightScratch = scratch(weightScratch, F * C * dtype.sizeBytes());
    long operand = weightScratch.address();
    if (weightDtype == DType.F32 || weightDtype == DType.BF16) {
      cast(operand, weight, F * C, false, dtype, weightDtype);
    } else {
      dequantize(operand, weight, F, C, dtype, weightDtype);
    }
    return operand;
  }

  /**
   * A buffer of at least this size: the old one, or a new zeroed one in its place. Graphs may have
   * recorded the old one's address, so it then stays until the end.
   */
  Buffer scratch(Buffer old, long sizeBytes) {
    if (old != null && old.sizeBytes() >= sizeBytes) {
      return old;
    }
    if (old != null && graphsExist) {
      retired.add(old);
    } else if (old != null) {
      old.close();
    }
    return Buffer.allocate(this, sizeBytes, true, "scratch of products");
  }

  private static void checkShape(String op, long N, long C, long F, DType dtype) {
    Check.argument(
        N >= 0 && N <= Integer.MAX_VALUE, "%s: N is %d, must be 0..%d", op, N, Integer.MAX_VALUE);
    Check.argument(
        C > 0 && C <= Integer.MAX_VALUE, "%s: C is %d, must be 1..%d", op, C, Integer.MAX_VALUE);
    Check.argument(
        F > 0 && F <= Integer.MAX_VALUE, "%s: F is %d, must be 1..%d", op, F, Integer.MAX_VALUE);
    Check.argument(
        dtype == DType.F32 || dtype == DType.BF16,
        "%s: dtype is %d, must be f32 (0) or bf16 (1)",
        op,
        dtype.code());
  }

  private static void checkWeight(String op, DType weightDtype) {
    Check.argument(
        weightDtype != DType.I32,
        "%s: weight_dtype is %d, must be f32 (0), bf16 (1), nf4 (3) or int8 (4)",
        op,
        weightDtype.code());
  }

  private static void present(String op, String name, long address) {
    Check.argument(address != 0, "%s: %s is null", op, name);
  }
}
