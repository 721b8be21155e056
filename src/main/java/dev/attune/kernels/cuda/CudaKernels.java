package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;

/** The ops that are one call of our kernels; see {@link CudaBackend} for the rest. */
abstract class CudaKernels implements Backend {
  /** The native context of a backend that is open and whose device works; else throws. */
  abstract long ctx();

  /** Throws what a status other than 0 stands for. */
  abstract void check(int status);

  @Override
  public void fillZero(long out, long bytes) {
    check(CudaNative.fillZero(ctx(), out, bytes));
  }

  @Override
  public void copy(long out, long inp, long bytes) {
    check(CudaNative.copy(ctx(), out, inp, bytes));
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
        CudaNative.attentionForward(
            ctx(),
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
        CudaNative.attentionBackward(
            ctx(),
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
        CudaNative.layerNormForward(
            ctx(),
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
        CudaNative.layerNormBackward(
            ctx(),
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
        CudaNative.embeddingForward(
            ctx(),
            out,
            word,
            position,
            type,
            ids,
            positions,
            typeIds,
            N,
            C,
            V,
            P,
            T,
            dtype.code()));
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
        CudaNative.embeddingBackward(
            ctx(),
            dword,
            dposition,
            dtokenType,
            dout,
            ids,
            positions,
            typeIds,
            N,
            C,
            dtype.code()));
  }

  @Override
  public void zeroRows(long table, long rows, long M, long C) {
    check(CudaNative.zeroRows(ctx(), table, rows, M, C));
  }

  @Override
  public void gatherRowsForward(long out, long inp, long rows, long M, long C, DType dtype) {
    check(CudaNative.gatherRowsForward(ctx(), out, inp, rows, M, C, dtype.code()));
  }

  @Override
  public void gatherRowsBackward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype) {
    check(
        CudaNative.gatherRowsBackward(
            ctx(), dinp, dout, rows, N, M, C, accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void meanPoolForward(long out, long inp, long cuSeqlens, long B, long C, DType dtype) {
    check(CudaNative.meanPoolForward(ctx(), out, inp, cuSeqlens, B, C, dtype.code()));
  }

  @Override
  public void meanPoolBackward(
      long dinp, long dout, long cuSeqlens, long B, long C, boolean accumulate, DType dtype) {
    check(
        CudaNative.meanPoolBackward(
            ctx(), dinp, dout, cuSeqlens, B, C, accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void activationForward(
      long out, long inp, long count, Activation activation, DType dtype) {
    check(CudaNative.activationForward(ctx(), out, inp, count, activation.code(), dtype.code()));
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
        CudaNative.activationBackward(
            ctx(), dinp, dout, inp, count, activation.code(), accumulate ? 1 : 0, dtype.code()));
  }

  @Override
  public void dropout(
      long out, long inp, long count, float p, long seed, long stream, DType dtype) {
    check(CudaNative.dropout(ctx(), out, inp, count, p, seed, stream, dtype.code()));
  }

  @Override
  public void cast(
      long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype) {
    check(
        CudaNative.cast(
            ctx(), out, inp, count, accumulate ? 1 : 0, outDtype.code(), inpDtype.code()));
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
        CudaNative.crossEntropy(
            ctx(),
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
    check(CudaNative.mse(ctx(), losses, dpred, pred, targets, N, scale, dtype.code()));
  }

  @Override
  public void sumOfSquares(long out, long inp, long count) {
    check(CudaNative.sumOfSquares(ctx(), out, inp, count));
  }

  @Override
  public void sumOfSquaresRows(long out, long table, long rows, long M, long C) {
    check(CudaNative.sumOfSquaresRows(ctx(), out, table, rows, M, C));
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
        CudaNative.adamw(
            ctx(),
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
        CudaNative.adamwRows(
            ctx(),
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
        CudaNative.sgd(
            ctx(),
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
        CudaNative.rmsNormForward(
            ctx(),
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
        CudaNative.rmsNormBackward(
            ctx(),
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
        CudaNative.rope(
            ctx(),
            inp,
            table,
            positions,
            N,
            H,
            D,
            rotary,
            stride,
            P,
            inverse ? 1 : 0,
            dtype.code()));
  }

  @Override
  public void gatedForward(long out, long inp, long N, long F, Activation activation, DType dtype) {
    check(CudaNative.gatedForward(ctx(), out, inp, N, F, activation.code(), dtype.code()));
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
        CudaNative.gatedBackward(
            ctx(), dinp, outAgain, dout, inp, N, F, activation.code(), dtype.code()));
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
        CudaNative.loraForward(
            ctx(), out, low, up, N, F, R, outStride, lowStride, scale, dtype.code()));
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
        CudaNative.loraBackward(
            ctx(),
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
        CudaNative.doraGain(
            ctx(),
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
    check(
        CudaNative.doraForward(
            ctx(), out, inp, gain, bias, N, F, accumulate ? 1 : 0, dtype.code()));
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
        CudaNative.doraBackward(
            ctx(),
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
        CudaNative.attentionCachedForward(
            ctx(),
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
        CudaNative.kvCacheWrite(
            ctx(), kCache, vCache, k, v, rows, N, width, inpStride, cacheStride, dtype.code()));
  }

  @Override
  public void argmax(long out, long inp, long N, long K, DType dtype) {
    check(CudaNative.argmax(ctx(), out, inp, N, K, dtype.code()));
  }

  @Override
  public void quantize(long out, long inp, long F, long C, DType inpDtype, DType outDtype) {
    check(CudaNative.quantize(ctx(), out, inp, F, C, inpDtype.code(), outDtype.code()));
  }

  @Override
  public void dequantize(long out, long inp, long F, long C, DType outDtype, DType inpDtype) {
    check(CudaNative.dequantize(ctx(), out, inp, F, C, outDtype.code(), inpDtype.code()));
  }
}
