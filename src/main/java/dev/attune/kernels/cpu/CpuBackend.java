package dev.attune.kernels.cpu;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.Device;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** Our C++ kernels: {@code native/cpu}, one native context. */
public final class CpuBackend implements Backend {
  private final int threads;
  private final Isa isa;
  private long ctx;

  /** Opens the best instruction-set level, or the one that ATTUNE_ISA names. */
  public CpuBackend(int threads) {
    this(threads, Isa.fromEnvironment());
  }

  /**
   * @param threads 1..4096
   * @param isa the level to run; an unavailable one throws {@link UnsupportedOperationException}
   */
  public CpuBackend(int threads, Isa isa) {
    CpuLibrary.load();
    this.ctx = CpuNative.contextOpen(threads, isa.code());
    if (ctx == 0) {
      String message = CpuLibrary.lastError();
      if (threads < 1 || threads > 4096) {
        throw new IllegalArgumentException(message);
      }
      throw new UnsupportedOperationException(message);
    }
    this.threads = threads;
    this.isa = Isa.ofCode(CpuNative.contextIsa(ctx));
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public String description() {
    return "cpu, " + isa.label() + ", " + threads + (threads == 1 ? " thread" : " threads");
  }

  /** The number of threads makes no difference. */
  @Override
  public String arithmetic() {
    return "cpu, " + isa.label();
  }

  @Override
  public boolean hasFastBf16() {
    return isa == Isa.V4_BF16;
  }

  @Override
  public boolean readsNarrowWeights() {
    return true;
  }

  /** The file that the native kernels were loaded from. */
  public Path libraryFile() {
    return CpuLibrary.load();
  }

  /** The instruction-set level in use. */
  public Isa isa() {
    return isa;
  }

  @Override
  public boolean hasSiblings() {
    return true;
  }

  @Override
  public CpuBackend sibling() {
    return new CpuBackend(threads, isa);
  }

  @Override
  public int threads() {
    return threads;
  }

  @Override
  public void share(int share) {
    check(CpuNative.contextShare(ctx, share));
  }

  @Override
  public long allocate(long sizeBytes, boolean hugePages) {
    long address = CpuNative.bufferAlloc(sizeBytes, hugePages ? 1 : 0);
    if (address == 0) {
      throw new DeviceMemoryException(CpuLibrary.lastError());
    }
    return address;
  }

  @Override
  public void free(long address, long sizeBytes) {
    check(CpuNative.bufferFree(address, sizeBytes));
  }

  @Override
  public void advise(long address, long sizeBytes, boolean hugePages) {
    check(CpuNative.bufferAdvise(address, sizeBytes, hugePages ? 1 : 0));
  }

  @Override
  public void discard(long address, long sizeBytes) {
    check(CpuNative.bufferDiscard(address, sizeBytes));
  }

  @Override
  public boolean hasViews() {
    return true;
  }

  @Override
  public ByteBuffer view(long address, long sizeBytes) {
    Check.argument(
        sizeBytes >= 0 && sizeBytes <= Integer.MAX_VALUE,
        "a view holds at most 2 GiB, not %d bytes",
        sizeBytes);
    return new NativePointer(address, sizeBytes).asByteBuffer().order(ByteOrder.nativeOrder());
  }

  @Override
  public void close() {
    if (ctx != 0) {
      check(CpuNative.contextClose(ctx));
      ctx = 0;
    }
  }

  private void check(int status) {
    if (status != 0) {
      raise(status);
    }
  }

  private void raise(int status) {
    Check.state(ctx != 0, "the cpu backend is closed");
    String message = CpuLibrary.lastError();
    throw switch (status) {
      case 1 -> new IllegalArgumentException(message);
      case 2 -> new UnsupportedOperationException(message);
      case 3 -> new DeviceMemoryException(message);
      case 6 -> new IllegalStateException(message);
      default -> new BackendException(message);
    };
  }

  @Override
  public void fillZero(long out, long bytes) {
    check(CpuNative.fillZero(ctx, out, bytes));
  }

  @Override
  public void copy(long out, long inp, long bytes) {
    check(CpuNative.copy(ctx, out, inp, bytes));
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
    check(
        CpuNative.linearForward(
            ctx,
            out,
            pre,
            inp,
            weight,
            bias,
            N,
            C,
            F,
            activation.code(),
            dtype.code(),
            weightDtype.code()));
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
    check(
        CpuNative.linearBackwardInput(
            ctx,
            dinp,
            actOut,
            dout,
            weight,
            pre,
            N,
            C,
            F,
            activation.code(),
            accumulate ? 1 : 0,
            dtype.code(),
            weightDtype.code()));
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
    check(
        CpuNative.linearBackwardWeight(
            ctx, dweight, dbias, dout, inp, N, C, F, accumulate ? 1 : 0, dtype.code()));
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
    check(
        CpuNative.attentionForward(
            ctx,
            out,
            lse,
            q,
            k,
            v,
            cuQ,
            cuK,
            qStride,
            kvStride,
            B,
            H,
            Hkv,
            D,
            scale,
            causal ? 1 : 0,
            window,
            p,
            seed,
            stream,
            dtype.code()));
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
    check(
        CpuNative.attentionBackward(
            ctx,
            dq,
            dk,
            dv,
            dout,
            q,
            k,
            v,
            out,
            lse,
            cuQ,
            cuK,
            qStride,
            kvStride,
            B,
            H,
            Hkv,
            D,
            scale,
            causal ? 1 : 0,
            window,
            p,
            seed,
            stream,
            dtype.code()));
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
    check(
        CpuNative.layerNormForward(
            ctx,
            out,
            sum,
            mean,
            rstd,
            inp,
            residual,
            weight,
            bias,
            N,
            C,
            eps,
            pInp,
            pOut,
            seed,
            stream,
            dtype.code()));
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
    check(
        CpuNative.layerNormBackward(
            ctx,
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
            accumulateResidual ? 1 : 0,
            accumulateWeight ? 1 : 0,
            dtype.code()));
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
    check(
        CpuNative.embeddingForward(
            ctx, out, word, position, type, ids, positions, typeIds, N, C, V, P, T, dtype.code()));
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
    check(
        CpuNative.embeddingBackward(
            ctx, dword, dposition, dtokenType, dout, ids, positions, typeIds, N, C, dtype.code()));
  }

  @Override
  public void zeroRows(long table, long rows, long M, long C) {
    check(CpuNative.zeroRows(ctx, table, rows, M, C));
  }

  @Override
  public void gatherRowsForward(long out, long inp, long rows, long M, long C, DType dtype) {
    check(CpuNative.gatherRowsForward(ctx, out, inp, rows, M, C, dtype.code()));
  }

  @Override
  public void gatherRowsBackward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype) {
    check(
        CpuNative.gatherRowsBackward(
            ctx, dinp, dout, rows, N, M, C, accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void meanPoolForward(long out, long inp, long cuSeqlens, long B, long C, DType dtype) {
    check(CpuNative.meanPoolForward(ctx, out, inp, cuSeqlens, B, C, dtype.code()));
  }

  @Override
  public void meanPoolBackward(
      long dinp, long dout, long cuSeqlens, long B, long C, boolean accumulate, DType dtype) {
    check(
        CpuNative.meanPoolBackward(
            ctx, dinp, dout, cuSeqlens, B, C, accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void activationForward(
      long out, long inp, long count, Activation activation, DType dtype) {
    check(CpuNative.activationForward(ctx, out, inp, count, activation.code(), dtype.code()));
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
    check(
        CpuNative.activationBackward(
            ctx, dinp, dout, inp, count, activation.code(), accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void dropout(
      long out, long inp, long count, float p, long seed, long stream, DType dtype) {
    check(CpuNative.dropout(ctx, out, inp, count, p, seed, stream, dtype.code()));
  }

  @Override
  public void cast(
      long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype) {
    check(
        CpuNative.cast(ctx, out, inp, count, accumulate ? 1 : 0, outDtype.code(), inpDtype.code()));
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
    check(
        CpuNative.crossEntropy(
            ctx,
            losses,
            dlogits,
            logits,
            labels,
            N,
            K,
            ignore,
            labelSmoothing,
            scale,
            dtype.code()));
  }

  @Override
  public void mse(
      long losses, long dpred, long pred, long targets, long N, float scale, DType dtype) {
    check(CpuNative.mse(ctx, losses, dpred, pred, targets, N, scale, dtype.code()));
  }

  @Override
  public void sumOfSquares(long out, long inp, long count) {
    check(CpuNative.sumOfSquares(ctx, out, inp, count));
  }

  @Override
  public void sumOfSquaresRows(long out, long table, long rows, long M, long C) {
    check(CpuNative.sumOfSquaresRows(ctx, out, table, rows, M, C));
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
    check(
        CpuNative.adamw(
            ctx,
            weight,
            m,
            v,
            shadow,
            grad,
            count,
            lr,
            beta1,
            beta2,
            eps,
            weightDecay,
            biasCorrection1,
            biasCorrection2,
            gradScale));
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
    check(
        CpuNative.adamwRows(
            ctx,
            weight,
            m,
            v,
            grad,
            rowState,
            V,
            C,
            lr,
            beta1,
            beta2,
            eps,
            weightDecay,
            biasCorrection1,
            biasCorrection2,
            gradScale));
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
    check(
        CpuNative.sgd(
            ctx,
            weight,
            momentumBuffer,
            shadow,
            grad,
            count,
            lr,
            momentum,
            weightDecay,
            nesterov ? 1 : 0,
            firstStep ? 1 : 0,
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
    check(
        CpuNative.rmsNormForward(
            ctx,
            out,
            sum,
            rstd,
            inp,
            residual,
            weight,
            N,
            G,
            C,
            inpStride,
            outStride,
            eps,
            dtype.code()));
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
    check(
        CpuNative.rmsNormBackward(
            ctx,
            dinp,
            dweight,
            dout,
            dsumExtra,
            sum,
            rstd,
            weight,
            N,
            G,
            C,
            inpStride,
            outStride,
            accumulateWeight ? 1 : 0,
            dtype.code()));
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
    check(
        CpuNative.rope(
            ctx, inp, table, positions, N, H, D, rotary, stride, P, inverse ? 1 : 0, dtype.code()));
  }

  @Override
  public void gatedForward(long out, long inp, long N, long F, Activation activation, DType dtype) {
    check(CpuNative.gatedForward(ctx, out, inp, N, F, activation.code(), dtype.code()));
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
    check(
        CpuNative.gatedBackward(
            ctx, dinp, outAgain, dout, inp, N, F, activation.code(), dtype.code()));
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
    check(
        CpuNative.loraForward(
            ctx, out, low, up, N, F, R, outStride, lowStride, scale, dtype.code()));
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
    check(
        CpuNative.loraBackward(
            ctx,
            dlow,
            dup,
            dout,
            low,
            up,
            N,
            F,
            R,
            outStride,
            lowStride,
            scale,
            accumulate ? 1 : 0,
            dtype.code()));
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
    check(
        CpuNative.doraGain(
            ctx,
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
            weightDtype.code()));
  }

  @Override
  public void doraForward(
      long out, long inp, long gain, long bias, long N, long F, boolean accumulate, DType dtype) {
    check(CpuNative.doraForward(ctx, out, inp, gain, bias, N, F, accumulate ? 1 : 0, dtype.code()));
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
    check(
        CpuNative.doraBackward(
            ctx,
            dinp,
            dmagnitude,
            dout,
            inp,
            gain,
            norm,
            N,
            F,
            stride,
            accumulate ? 1 : 0,
            dtype.code()));
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
    check(
        CpuNative.attentionCachedForward(
            ctx,
            out,
            q,
            kCache,
            vCache,
            cuQ,
            kStart,
            kCount,
            qStride,
            kvStride,
            B,
            H,
            Hkv,
            D,
            scale,
            window,
            dtype.code()));
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
    check(
        CpuNative.kvCacheWrite(
            ctx, kCache, vCache, k, v, rows, N, width, inpStride, cacheStride, dtype.code()));
  }

  @Override
  public void argmax(long out, long inp, long N, long K, DType dtype) {
    check(CpuNative.argmax(ctx, out, inp, N, K, dtype.code()));
  }

  @Override
  public void quantize(long out, long inp, long F, long C, DType inpDtype, DType outDtype) {
    check(CpuNative.quantize(ctx, out, inp, F, C, inpDtype.code(), outDtype.code()));
  }

  @Override
  public void dequantize(long out, long inp, long F, long C, DType outDtype, DType inpDtype) {
    check(CpuNative.dequantize(ctx, out, inp, F, C, outDtype.code(), inpDtype.code()));
  }
}
