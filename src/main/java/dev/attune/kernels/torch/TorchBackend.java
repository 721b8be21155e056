package dev.attune.kernels.torch;

import dev.attune.core.Check;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.kernels.calls.AttentionCachedCall;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.BinaryCrossEntropyCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.DisentangledAttentionCall;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.GatedCall;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.KvCacheWriteCall;
import dev.attune.kernels.calls.L2NormalizeCall;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.LinearInt8Call;
import dev.attune.kernels.calls.LoraCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.kernels.calls.MseCall;
import dev.attune.kernels.calls.Op;
import dev.attune.kernels.calls.PairLossCall;
import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.kernels.calls.RelativeBiasCall;
import dev.attune.kernels.calls.RmsNormCall;
import dev.attune.kernels.calls.RopeCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.SpanCrossEntropyCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.kernels.calls.ZeroRowsCall;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.JavaCpp;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.javacpp.PointerScope;

/**
 * libtorch: the portable fallback and the oracle of the tests. This class only guards the calls;
 * see the package's page for what it decides and for the JVM options it needs.
 *
 * <p>Memory that it allocated stays valid after {@link #close} until it is freed.
 */
public final class TorchBackend implements Backend {
  private static final int MAX_THREADS = 256;

  static {
    JavaCpp.disableLimits();
  }

  private enum State {
    IDLE,
    BUSY,
    CLOSED
  }

  private final AtomicReference<State> state = new AtomicReference<>(State.IDLE);
  private final TorchMemory memory = new TorchMemory();
  private final Frame frame = new Frame();
  private final TorchStep step = new TorchStep();
  private final TorchPool pool;
  private final int threads;

  /**
   * Why the PyTorch preset cannot be used, naming the Maven artifact to add; empty where it is on
   * the class path, for this platform. Loads nothing.
   */
  public static Optional<String> unavailableReason() {
    return TorchLibrary.unavailableReason();
  }

  /**
   * Loads libtorch.
   *
   * @param threads 1..256
   * @throws BackendException if libtorch is missing or cannot be loaded
   */
  public TorchBackend(int threads) {
    Check.argument(
        threads >= 1 && threads <= MAX_THREADS,
        "torch backend: threads = %d; it must be 1..%d",
        threads,
        MAX_THREADS);
    TorchLibrary.open();
    this.pool = new TorchPool(threads);
    this.threads = threads;
  }

  @Override
  public String name() {
    return "torch";
  }

  @Override
  public DeviceKind device() {
    return DeviceKind.CPU;
  }

  @Override
  public String description() {
    return "torch, libtorch on the cpu, " + threads + (threads == 1 ? " thread" : " threads");
  }

  @Override
  public boolean hasFastBf16() {
    return false;
  }

  @Override
  public long allocate(long sizeBytes, boolean hugePages) {
    checkOpen();
    return memory.allocate(sizeBytes);
  }

  @Override
  public void free(long address, long sizeBytes) {
    memory.free(address, sizeBytes);
  }

  /** A hint that this backend cannot pass on: does nothing. */
  @Override
  public void advise(long address, long sizeBytes, boolean hugePages) {
    Arguments.present("advise", "address", address);
    Arguments.size("advise", "sizeBytes", sizeBytes);
  }

  /** Zeroes the range; its pages stay with the process. */
  @Override
  public void discard(long address, long sizeBytes) {
    Arguments.present("discard", "address", address);
    Arguments.size("discard", "sizeBytes", sizeBytes);
    TorchMemory.zero(address, sizeBytes);
  }

  @Override
  public boolean hasViews() {
    return true;
  }

  @Override
  public ByteBuffer view(long address, long sizeBytes) {
    return TorchMemory.view(address, sizeBytes);
  }

  @Override
  public void close() {
    if (state.compareAndSet(State.IDLE, State.CLOSED)) {
      pool.close();
    }
    Check.state(
        state.get() == State.CLOSED, "the torch backend cannot be closed while a call is running");
  }

  private void checkOpen() {
    Check.state(state.get() != State.CLOSED, "the torch backend is closed");
  }

  /** Temporaries die with the call, and faults of libtorch get our types. */
  @Override
  @SuppressWarnings("try") // the scope is there to be closed
  public void run(Call call) {
    Op op = Op.of(call);
    checkOpen();
    Check.state(
        state.compareAndSet(State.IDLE, State.BUSY),
        "%s: another thread is using the torch backend, which serves one at a time",
        op.title());
    try (PointerScope scope = new PointerScope()) {
      frame.take(op.title(), call);
      run(op, call);
    } catch (RuntimeException e) {
      throw translate(op.title(), e);
    } finally {
      state.set(State.IDLE);
    }
  }

  private void run(Op op, Call call) {
    switch (op) {
      case FILL_ZERO -> TorchMemory.fillZero((FillZeroCall) call);
      case COPY -> TorchMemory.copy((CopyCall) call);
      case LINEAR_FWD -> TorchLinear.forward(pool, (LinearCall.Forward) call);
      case LINEAR_BWD_INPUT -> TorchLinear.backwardInput(pool, (LinearCall.BackwardInput) call);
      case LINEAR_BWD_WEIGHT -> {
        LinearCall.BackwardWeight backward = (LinearCall.BackwardWeight) call;
        TorchLinear.backwardWeight(pool, backward);
        if (backward.squares() != 0) {
          TorchOptimizers.sumOfSquares(
              pool,
              new SumOfSquaresCall.Flat(
                  backward.squares(), backward.dweight(), backward.F() * backward.C()));
        }
      }
      case LINEAR_INT8_PACK -> TorchLinearInt8.pack((LinearInt8Call.Pack) call);
      case LINEAR_INT8_FWD -> TorchLinearInt8.forward((LinearInt8Call.Forward) call);
      case ATTENTION_FWD -> TorchAttention.forward(pool, step, (AttentionCall.Forward) call);
      case ATTENTION_BWD -> TorchAttention.backward(pool, step, (AttentionCall.Backward) call);
      case RELATIVE_BIAS_FWD -> TorchRelativeBias.forward((RelativeBiasCall.Forward) call);
      case RELATIVE_BIAS_BWD -> TorchRelativeBias.backward((RelativeBiasCall.Backward) call);
      case DISENTANGLED_ATTENTION_FWD ->
          TorchDisentangledAttention.forward(pool, step, (DisentangledAttentionCall.Forward) call);
      case DISENTANGLED_ATTENTION_BWD ->
          TorchDisentangledAttention.backward(
              pool, step, (DisentangledAttentionCall.Backward) call);
      case LAYER_NORM_FWD -> TorchLayerNorm.forward(pool, step, (LayerNormCall.Forward) call);
      case LAYER_NORM_BWD -> TorchLayerNorm.backward(pool, step, (LayerNormCall.Backward) call);
      case EMBEDDING_FWD -> TorchRows.embeddingForward(pool, (EmbeddingCall.Forward) call);
      case EMBEDDING_BWD -> TorchRows.embeddingBackward((EmbeddingCall.Backward) call);
      case ZERO_ROWS -> TorchRows.zeroRows((ZeroRowsCall) call);
      case GATHER_ROWS_FWD -> TorchRows.gatherForward((GatherRowsCall.Forward) call);
      case GATHER_ROWS_BWD -> TorchRows.gatherBackward((GatherRowsCall.Backward) call);
      case MEAN_POOL_FWD -> TorchRows.meanPoolForward(pool, (MeanPoolCall.Forward) call);
      case MEAN_POOL_BWD -> TorchRows.meanPoolBackward(pool, (MeanPoolCall.Backward) call);
      case ACTIVATION_FWD -> TorchActivation.forward(pool, (ActivationCall.Forward) call);
      case ACTIVATION_BWD -> TorchActivation.backward(pool, (ActivationCall.Backward) call);
      case DROPOUT -> TorchActivation.dropout(pool, step, (DropoutCall) call);
      case CAST -> TorchActivation.cast(pool, (CastCall) call);
      case CROSS_ENTROPY -> TorchLosses.crossEntropy(pool, (CrossEntropyCall) call);
      case BINARY_CROSS_ENTROPY ->
          TorchLosses.binaryCrossEntropy(pool, (BinaryCrossEntropyCall) call);
      case SPAN_CROSS_ENTROPY -> TorchLosses.spanCrossEntropy(pool, (SpanCrossEntropyCall) call);
      case MSE -> TorchLosses.mse((MseCall) call);
      case L2_NORMALIZE_FWD -> TorchPairs.normalizeForward((L2NormalizeCall.Forward) call);
      case L2_NORMALIZE_BWD -> TorchPairs.normalizeBackward((L2NormalizeCall.Backward) call);
      case PAIR_LOSS -> TorchPairs.loss((PairLossCall) call);
      case RESET_STEP -> step.reset();
      case SET_STREAM_BASE -> step.streamBase((StepCall.StreamBase) call);
      case SET_UPDATE -> step.update((StepCall.Update) call);
      case WATCH_LOSSES -> step.watch((StepCall.Watch) call);
      case CLIP -> step.clip((StepCall.Clip) call);
      case SUM_OF_SQUARES -> TorchOptimizers.sumOfSquares(pool, (SumOfSquaresCall.Flat) call);
      case SUM_OF_SQUARES_ROWS ->
          TorchOptimizers.sumOfSquaresRows(pool, (SumOfSquaresCall.Rows) call);
      case ADAMW -> TorchOptimizers.adamw(pool, step, (AdamWCall.Flat) call);
      case ADAMW_ROWS -> TorchOptimizers.adamwRows(pool, step, (AdamWCall.Rows) call);
      case ADAMW_8BIT -> TorchAdamW8Bit.update(pool, step, (AdamWCall.EightBit) call);
      case SGD -> TorchOptimizers.sgd(pool, step, (SgdCall.Flat) call);
      case RMS_NORM_FWD -> TorchRmsNorm.forward(pool, (RmsNormCall.Forward) call);
      case RMS_NORM_BWD -> TorchRmsNorm.backward(pool, (RmsNormCall.Backward) call);
      case ROPE -> TorchRope.rotate(pool, (RopeCall) call);
      case GATED_FWD -> TorchGated.forward(pool, (GatedCall.Forward) call);
      case GATED_BWD -> TorchGated.backward(pool, (GatedCall.Backward) call);
      case LORA_FWD -> TorchLora.forward(pool, (LoraCall.Forward) call);
      case LORA_BWD -> TorchLora.backward(pool, (LoraCall.Backward) call);
      case DORA_GAIN -> TorchDora.gain(pool, (DoraCall.Gain) call);
      case DORA_FWD -> TorchDora.forward(pool, (DoraCall.Forward) call);
      case DORA_BWD -> TorchDora.backward(pool, (DoraCall.Backward) call);
      case ATTENTION_CACHED_FWD ->
          TorchAttention.cachedForward(pool, step, (AttentionCachedCall) call);
      case KV_CACHE_WRITE -> TorchGeneration.kvCacheWrite((KvCacheWriteCall) call);
      case ARGMAX -> TorchGeneration.argmax(pool, (ArgmaxCall) call);
      case QUANTIZE -> TorchQuantized.quantize(pool, (QuantizeCall.Pack) call);
      case DEQUANTIZE -> TorchQuantized.dequantize(pool, (QuantizeCall.Unpack) call);
      default -> throw new UnsupportedOperationException(op.title() + " has no kernel for torch");
    }
  }

  /** JavaCPP throws plain RuntimeException for what C++ threw; subclasses are ours. */
  private static RuntimeException translate(String op, RuntimeException e) {
    if (e.getClass() != RuntimeException.class) {
      return e;
    }
    String message = String.valueOf(e.getMessage()).lines().findFirst().orElse("unknown failure");
    if (message.contains("DefaultCPUAllocator")) {
      return new DeviceMemoryException(op + ": out of memory in libtorch: " + message);
    }
    return new BackendException(op + ": libtorch failed: " + message, e);
  }
}
