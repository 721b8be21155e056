package dev.attune.kernels.torch;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.Device;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
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
  private final TorchPool pool;
  private final int threads;

  /** Whether the PyTorch preset is on the class path, for this platform. Loads nothing. */
  public static boolean available() {
    return unavailableReason().isEmpty();
  }

  /** Why {@link #available} is false, naming the Maven artifact to add; empty if it is true. */
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
  public Device device() {
    return Device.CPU;
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

  /** Runs one call: temporaries die with it, and faults of libtorch get our types. */
  @SuppressWarnings("try") // the scope is there to be closed
  private void run(String op, Runnable call) {
    checkOpen();
    Check.state(
        state.compareAndSet(State.IDLE, State.BUSY),
        "%s: another thread is using the torch backend, which serves one at a time",
        op);
    try (PointerScope scope = new PointerScope()) {
      call.run();
    } catch (RuntimeException e) {
      throw translate(op, e);
    } finally {
      state.set(State.IDLE);
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

  @Override
  public void fillZero(long out, long bytes) {
    run(
        "fillZero",
        () -> {
          Arguments.size("fillZero", "bytes", bytes);
          if (bytes > 0) {
            Arguments.present("fillZero", "out", out);
            TorchMemory.zero(out, bytes);
          }
        });
  }

  @Override
  public void copy(long out, long inp, long bytes) {
    run(
        "copy",
        () -> {
          Arguments.size("copy", "bytes", bytes);
          if (bytes > 0) {
            Arguments.present("copy", "out", out);
            Arguments.present("copy", "inp", inp);
            TorchMemory.copy(out, inp, bytes);
          }
        });
  }

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
    run(
        "linearForward",
        () ->
            TorchLinear.forward(
                pool, out, pre, inp, weight, bias, N, C, F, activation, dtype, weightDtype));
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
    run(
        "linearBackwardInput",
        () ->
            TorchLinear.backwardInput(
                pool,
                dinp,
                actOut,
                dout,
                weight,
                pre,
                N,
                C,
                F,
                activation,
                accumulate,
                dtype,
                weightDtype));
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
    run(
        "linearBackwardWeight",
        () ->
            TorchLinear.backwardWeight(
                pool, dweight, dbias, dout, inp, N, C, F, accumulate, dtype));
  }

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
    run(
        "attentionForward",
        () ->
            new TorchAttention(
                    "attentionForward",
                    qStride,
                    kvStride,
                    B,
                    H,
                    Hkv,
                    D,
                    scale,
                    causal,
                    window,
                    p,
                    seed,
                    stream,
                    dtype)
                .forward(pool, out, lse, q, k, v, cuQ, cuK, B));
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
    run(
        "attentionBackward",
        () ->
            new TorchAttention(
                    "attentionBackward",
                    qStride,
                    kvStride,
                    B,
                    H,
                    Hkv,
                    D,
                    scale,
                    causal,
                    window,
                    p,
                    seed,
                    stream,
                    dtype)
                .backward(pool, dq, dk, dv, dout, q, k, v, out, lse, cuQ, cuK, B));
  }

  @Override
  public void layerNormForward(
      long out,
      long sum,
      long mean,
      long rstd,
      long inp,
      long residual,
      long weight,
      long bias,
      long N,
      long C,
      float eps,
      float pInp,
      float pOut,
      long seed,
      long stream,
      DType dtype) {
    run(
        "layerNormForward",
        () ->
            TorchLayerNorm.forward(
                pool, out, sum, mean, rstd, inp, residual, weight, bias, N, C, eps, pInp, pOut,
                seed, stream, dtype));
  }

  @Override
  public void layerNormBackward(
      long dinp,
      long dresidual,
      long dweight,
      long dbias,
      long dout,
      long dsumExtra,
      long sum,
      long mean,
      long rstd,
      long weight,
      long N,
      long C,
      float pInp,
      float pOut,
      long seed,
      long stream,
      boolean accumulateResidual,
      boolean accumulateWeight,
      DType dtype) {
    run(
        "layerNormBackward",
        () ->
            TorchLayerNorm.backward(
                pool,
                dinp,
                dresidual,
                dweight,
                dbias,
                dout,
                dsumExtra,
                sum,
                mean,
                rstd,
                weight,
                N,
                C,
                pInp,
                pOut,
                seed,
                stream,
                accumulateResidual,
                accumulateWeight,
                dtype));
  }

  @Override
  public void embeddingForward(
      long out,
      long word,
      long position,
      long type,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      long V,
      long P,
      long T,
      DType dtype) {
    run(
        "embeddingForward",
        () ->
            TorchRows.embeddingForward(
                pool, out, word, position, type, ids, positions, typeIds, N, C, V, P, T, dtype));
  }

  @Override
  public void embeddingBackward(
      long dword,
      long dposition,
      long dtokenType,
      long dout,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      DType dtype) {
    run(
        "embeddingBackward",
        () ->
            TorchRows.embeddingBackward(
                dword, dposition, dtokenType, dout, ids, positions, typeIds, N, C, dtype));
  }

  @Override
  public void zeroRows(long table, long rows, long M, long C) {
    run("zeroRows", () -> TorchRows.zeroRows(table, rows, M, C));
  }

  @Override
  public void gatherRowsForward(long out, long inp, long rows, long M, long C, DType dtype) {
    run("gatherRowsForward", () -> TorchRows.gatherForward(out, inp, rows, M, C, dtype));
  }

  @Override
  public void gatherRowsBackward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype) {
    run(
        "gatherRowsBackward",
        () -> TorchRows.gatherBackward(dinp, dout, rows, N, M, C, accumulate, dtype));
  }

  @Override
  public void meanPoolForward(long out, long inp, long cuSeqlens, long B, long C, DType dtype) {
    run("meanPoolForward", () -> TorchRows.meanPoolForward(pool, out, inp, cuSeqlens, B, C, dtype));
  }

  @Override
  public void meanPoolBackward(
      long dinp, long dout, long cuSeqlens, long B, long C, boolean accumulate, DType dtype) {
    run(
        "meanPoolBackward",
        () -> TorchRows.meanPoolBackward(pool, dinp, dout, cuSeqlens, B, C, accumulate, dtype));
  }

  @Override
  public void activationForward(
      long out, long inp, long count, Activation activation, DType dtype) {
    run(
        "activationForward",
        () -> TorchActivation.forward(pool, out, inp, count, activation, dtype));
  }

  @Override
  public void activationBackward(
      long dinp,
      long dout,
      long inp,
      long count,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    run(
        "activationBackward",
        () ->
            TorchActivation.backward(pool, dinp, dout, inp, count, activation, accumulate, dtype));
  }

  @Override
  public void dropout(
      long out, long inp, long count, float p, long seed, long stream, DType dtype) {
    run("dropout", () -> TorchActivation.dropout(pool, out, inp, count, p, seed, stream, dtype));
  }

  @Override
  public void cast(
      long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype) {
    run("cast", () -> TorchActivation.cast(pool, out, inp, count, accumulate, outDtype, inpDtype));
  }

  @Override
  public void crossEntropy(
      long losses,
      long dlogits,
      long logits,
      long labels,
      long N,
      long K,
      int ignore,
      float labelSmoothing,
      float scale,
      DType dtype) {
    run(
        "crossEntropy",
        () ->
            TorchLosses.crossEntropy(
                pool, losses, dlogits, logits, labels, N, K, ignore, labelSmoothing, scale, dtype));
  }

  @Override
  public void mse(
      long losses, long dpred, long pred, long targets, long N, float scale, DType dtype) {
    run("mse", () -> TorchLosses.mse(losses, dpred, pred, targets, N, scale, dtype));
  }

  @Override
  public void sumOfSquares(long out, long inp, long count) {
    run("sumOfSquares", () -> TorchOptimizers.sumOfSquares(pool, out, inp, count));
  }

  @Override
  public void sumOfSquaresRows(long out, long table, long rows, long M, long C) {
    run("sumOfSquaresRows", () -> TorchOptimizers.sumOfSquaresRows(pool, out, table, rows, M, C));
  }

  @Override
  public void adamw(
      long weight,
      long m,
      long v,
      long shadow,
      long grad,
      long count,
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2,
      float gradScale) {
    run(
        "adamw",
        () ->
            new TorchOptimizers.AdamW(
                    lr, beta1, beta2, eps, weightDecay, biasCorrection1, biasCorrection2, gradScale)
                .dense(pool, weight, m, v, shadow, grad, count));
  }

  @Override
  public void adamwRows(
      long weight,
      long m,
      long v,
      long grad,
      long rowState,
      long V,
      long C,
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2,
      float gradScale) {
    run(
        "adamwRows",
        () ->
            new TorchOptimizers.AdamW(
                    lr, beta1, beta2, eps, weightDecay, biasCorrection1, biasCorrection2, gradScale)
                .rows(pool, weight, m, v, grad, rowState, V, C));
  }

  @Override
  public void sgd(
      long weight,
      long momentumBuffer,
      long shadow,
      long grad,
      long count,
      float lr,
      float momentum,
      float weightDecay,
      boolean nesterov,
      boolean firstStep,
      float gradScale) {
    run(
        "sgd",
        () ->
            TorchOptimizers.sgd(
                pool,
                weight,
                momentumBuffer,
                shadow,
                grad,
                count,
                lr,
                momentum,
                weightDecay,
                nesterov,
                firstStep,
                gradScale));
  }

  @Override
  public void rmsNormForward(
      long out,
      long sum,
      long rstd,
      long inp,
      long residual,
      long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      float eps,
      DType dtype) {
    run(
        "rmsNormForward",
        () ->
            new TorchRmsNorm("rmsNormForward", N, G, C, inpStride, outStride, dtype)
                .forward(pool, out, sum, rstd, inp, residual, weight, N, eps));
  }

  @Override
  public void rmsNormBackward(
      long dinp,
      long dweight,
      long dout,
      long dsumExtra,
      long sum,
      long rstd,
      long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      boolean accumulateWeight,
      DType dtype) {
    run(
        "rmsNormBackward",
        () ->
            new TorchRmsNorm("rmsNormBackward", N, G, C, inpStride, outStride, dtype)
                .backward(
                    pool, dinp, dweight, dout, dsumExtra, sum, rstd, weight, N, accumulateWeight));
  }

  @Override
  public void rope(
      long inp,
      long table,
      long positions,
      long N,
      long H,
      long D,
      long rotary,
      long stride,
      long P,
      boolean inverse,
      DType dtype) {
    run(
        "rope",
        () ->
            TorchRope.rotate(
                pool, inp, table, positions, N, H, D, rotary, stride, P, inverse, dtype));
  }

  @Override
  public void gatedForward(long out, long inp, long N, long F, Activation activation, DType dtype) {
    run("gatedForward", () -> TorchGated.forward(pool, out, inp, N, F, activation, dtype));
  }

  @Override
  public void gatedBackward(
      long dinp,
      long outAgain,
      long dout,
      long inp,
      long N,
      long F,
      Activation activation,
      DType dtype) {
    run(
        "gatedBackward",
        () -> TorchGated.backward(pool, dinp, outAgain, dout, inp, N, F, activation, dtype));
  }

  @Override
  public void loraForward(
      long out,
      long low,
      long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      DType dtype) {
    run(
        "loraForward",
        () ->
            new TorchLora("loraForward", N, F, R, outStride, lowStride, scale, dtype)
                .forward(pool, out, low, up));
  }

  @Override
  public void loraBackward(
      long dlow,
      long dup,
      long dout,
      long low,
      long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      boolean accumulate,
      DType dtype) {
    run(
        "loraBackward",
        () ->
            new TorchLora("loraBackward", N, F, R, outStride, lowStride, scale, dtype)
                .backward(pool, dlow, dup, dout, low, up, accumulate));
  }

  @Override
  public void doraGain(
      long gain,
      long excess,
      long norm,
      long weight,
      long down,
      long up,
      long magnitude,
      long rows,
      long firstRow,
      long F,
      long C,
      long R,
      float scale,
      DType weightDtype) {
    run(
        "doraGain",
        () ->
            TorchDora.gain(
                pool,
                gain,
                excess,
                norm,
                weight,
                down,
                up,
                magnitude,
                rows,
                firstRow,
                F,
                C,
                R,
                scale,
                weightDtype));
  }

  @Override
  public void doraForward(
      long out, long inp, long gain, long bias, long N, long F, boolean accumulate, DType dtype) {
    run(
        "doraForward",
        () -> TorchDora.forward(pool, out, inp, gain, bias, N, F, accumulate, dtype));
  }

  @Override
  public void doraBackward(
      long dinp,
      long dmagnitude,
      long dout,
      long inp,
      long gain,
      long norm,
      long N,
      long F,
      long stride,
      boolean accumulate,
      DType dtype) {
    run(
        "doraBackward",
        () ->
            TorchDora.backward(
                pool, dinp, dmagnitude, dout, inp, gain, norm, N, F, stride, accumulate, dtype));
  }

  @Override
  public void attentionCachedForward(
      long out,
      long q,
      long kCache,
      long vCache,
      long cuQ,
      long kStart,
      long kCount,
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      long window,
      DType dtype) {
    run(
        "attentionCachedForward",
        () ->
            new TorchAttention(
                    "attentionCachedForward",
                    qStride,
                    kvStride,
                    B,
                    H,
                    Hkv,
                    D,
                    scale,
                    true,
                    window,
                    0,
                    0,
                    0,
                    dtype)
                .forwardCached(pool, out, q, kCache, vCache, cuQ, kStart, kCount, B));
  }

  @Override
  public void kvCacheWrite(
      long kCache,
      long vCache,
      long k,
      long v,
      long rows,
      long N,
      long width,
      long inpStride,
      long cacheStride,
      DType dtype) {
    run(
        "kvCacheWrite",
        () ->
            TorchGeneration.kvCacheWrite(
                kCache, vCache, k, v, rows, N, width, inpStride, cacheStride, dtype));
  }

  @Override
  public void argmax(long out, long inp, long N, long K, DType dtype) {
    run("argmax", () -> TorchGeneration.argmax(pool, out, inp, N, K, dtype));
  }

  @Override
  public void quantize(long out, long inp, long F, long C, DType inpDtype, DType outDtype) {
    run("quantize", () -> TorchQuantized.quantize(pool, out, inp, F, C, inpDtype, outDtype));
  }

  @Override
  public void dequantize(long out, long inp, long F, long C, DType outDtype, DType inpDtype) {
    run("dequantize", () -> TorchQuantized.dequantize(pool, out, inp, F, C, outDtype, inpDtype));
  }
}
