package dev.attune.kernels.cuda;

import dev.attune.core.Check;
import dev.attune.core.DeviceKind;
import dev.attune.core.Term;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.Call;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeBackend;
import dev.attune.kernels.NativeCalls;
import dev.attune.kernels.Recorder;
import dev.attune.kernels.Results;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.Op;
import dev.attune.memory.DeviceMemoryException;
import java.nio.ByteBuffer;
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
public final class CudaBackend extends NativeBackend {
  private static final int ROW_STEP = 64;

  private static final int FILLING_SEQUENCES = 8;

  /**
   * What an arena leaves of the free memory, at least; and one part in {@value #SPARE_PARTS} of the
   * device's. Staging, scratch of products, kernels that are loaded when they are first used,
   * recorded graphs, other processes.
   */
  private static final long SPARE_BYTES = 256L << 20;

  private static final long SPARE_PARTS = 32;

  /** And where cuDNN is: one part in so many, for the scores that its backward pass keeps. */
  private static final int CUDNN_SHARE = 32;

  /** The status of the native border. */
  private static final int DEVICE_LOST = 4;

  /** Its backward pass over packed sequences needs Hopper's instructions. */
  private static final int CUDNN_CAPABILITY = 90;

  private final CudaRuntime runtime;
  private final CudaLinear linear;
  private final AttentionChoice attention; // null: ours alone
  private final long workspace;
  private final Transfers transfers;
  private final CudaRecorder recorder;
  private final Scratch scratch = new Scratch(this);
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
      KernelLibrary.cuda();
    } catch (BackendException e) {
      return Optional.of(e.getMessage());
    }
    return LtProducts.unavailableReason();
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
        KernelLibrary.cuda(),
        runtime,
        backend -> new LtProducts(runtime, backend, backend.scratch()),
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
      CudnnAttention cudnn = new CudnnAttention(runtime, backend, backend.scratch());
      return new AttentionChoice(
          backend,
          backend.scratch(),
          runtime,
          cudnn,
          AttentionChoice.file(runtime.properties(), cudnn));
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
      KernelLibrary library,
      CudaRuntime runtime,
      Function<CudaBackend, Products> products,
      Function<CudaBackend, AttentionChoice> attention) {
    super(library);
    this.runtime = runtime;
    long workspaceBytes = NativeCalls.workspaceBytes(library.handle());
    this.workspace = allocate(workspaceBytes, false);
    this.ctx =
        NativeCalls.openCuda(
            library.handle(), runtime.device(), runtime.stream(), workspace, workspaceBytes);
    if (ctx == 0) {
      String message = library.lastError();
      runtime.close();
      throw new BackendException("the CUDA device cannot be opened: " + message);
    }
    try {
      this.transfers = new Transfers(runtime);
      this.recorder = new CudaRecorder(this);
      this.linear = new CudaLinear(this, scratch, products.apply(this));
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
  public DeviceKind device() {
    return DeviceKind.CUDA;
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
  public int fillingSequences() {
    return FILLING_SEQUENCES;
  }

  @Override
  public Recorder recorder() {
    return recorder;
  }

  @Override
  public Results results(int slots, int slotBytes) {
    return new PinnedResults(this, runtime, slots, slotBytes);
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
  protected long ctx() {
    if (lost != null) {
      throw new BackendException(lost);
    }
    Check.state(ctx != 0, "the cuda backend is closed");
    return ctx;
  }

  @Override
  protected RuntimeException failure(int status, String message) {
    return status == DEVICE_LOST ? lost(message) : super.failure(status, message);
  }

  boolean isLost() {
    return lost != null;
  }

  /** For the parts, whose work graphs record. */
  Scratch scratch() {
    return scratch;
  }

  void beginCapture() {
    check(runtime.beginCapture(library(), ctx()));
    scratch.beginRecording();
  }

  /** Ends a capture; returns the graph. */
  long endCapture() {
    scratch.endRecording();
    try (LongPointer graph = new LongPointer(1)) {
      check(runtime.endCapture(library(), ctx(), graph));
      scratch.keepAddresses();
      return graph.get();
    }
  }

  /** Ends a capture that failed on the way, for whose failure there is an exception already. */
  void abandonCapture() {
    scratch.endRecording();
    try (LongPointer graph = new LongPointer(1)) {
      if (lost == null && runtime.endCapture(library(), ctx(), graph) == 0) {
        check(runtime.destroy(library(), ctx(), graph.get()));
      }
    }
  }

  void launch(long graph) {
    check(runtime.launch(library(), ctx(), graph));
  }

  void destroy(long graph) {
    if (lost == null) {
      check(runtime.destroy(library(), ctx(), graph));
    }
  }

  private BackendException lost(String message) {
    lost =
        "the GPU has failed and this process cannot use it any more: "
            + message
            + "; start again, with "
            + Term.RESUME
            + " from the last checkpoint if there is one";
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
    Check.state(
        !scratch.isRecording(), "%d bytes are wanted while a graph is being recorded", sizeBytes);
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
    run(new FillZeroCall(address, sizeBytes));
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
    check(NativeCalls.check(library().handle(), ctx()));
  }

  @Override
  public void close() {
    if (ctx == 0) {
      return;
    }
    long closing = ctx;
    boolean works = lost == null;
    if (works) {
      linear.close();
      scratch.close();
      if (attention != null) {
        attention.close();
      }
    }
    ctx = 0;
    NativeCalls.closeCuda(library().handle(), closing);
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

  // ---- calls ---------------------------------------------------------------------------------

  @Override
  public void run(Call call) {
    switch (Op.of(call)) {
      case LINEAR_FWD, LINEAR_BWD_INPUT, LINEAR_BWD_WEIGHT -> {
        checkArguments(call);
        try {
          linear.run(call);
        } catch (CudaFailure e) {
          throw lost(e);
        }
      }
      case ATTENTION_FWD -> {
        checkArguments(call);
        Runnable ours = () -> runOurs(call);
        if (attention == null || !attention.forward((AttentionCall.Forward) call, ours)) {
          ours.run();
        }
      }
      case ATTENTION_BWD -> {
        checkArguments(call);
        Runnable ours = () -> runOurs(call);
        if (attention == null || !attention.backward((AttentionCall.Backward) call, ours)) {
          ours.run();
        }
      }
      default -> super.run(call);
    }
  }

  /** Runs a kernel of ours, whatever else there is for the call. */
  void runOurs(Call call) {
    super.run(call);
  }
}
