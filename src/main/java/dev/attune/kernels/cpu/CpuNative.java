package dev.attune.kernels.cpu;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Const;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The natives of {@code libattune_cpu}: {@code attune_ops.h}, one method per entry. JavaCPP
 * generates the JNI source from this class. Addresses are longs, so that a call is just a call: no
 * Pointer objects, arrays or strings.
 */
@NoException
@Platform(include = "attune_ops.h", compiler = "cpp17")
final class CpuNative {
  private CpuNative() {}

  @Name("attune_abi_version")
  static native int abiVersion();

  @Name("attune_last_error")
  static native @Const BytePointer lastError();

  @Name("attune_best_isa")
  static native int bestIsa();

  @Name("attune_context_open")
  static native @Cast("jlong") long contextOpen(int threads, int isa);

  @Name("attune_context_close")
  static native int contextClose(@Cast("attune_context*") long ctx);

  @Name("attune_context_share")
  static native int contextShare(@Cast("attune_context*") long ctx, int threads);

  @Name("attune_context_isa")
  static native int contextIsa(@Cast("attune_context*") long ctx);

  @Name("attune_buffer_alloc")
  static native long bufferAlloc(long bytes, int hugePages);

  @Name("attune_buffer_free")
  static native int bufferFree(long address, long bytes);

  @Name("attune_buffer_advise")
  static native int bufferAdvise(long address, long bytes, int hugePages);

  @Name("attune_buffer_discard")
  static native int bufferDiscard(long address, long bytes);

  @Name("attune_fill_zero")
  static native int fillZero(
      @Cast("attune_context*") long ctx, @Cast("void*") long out, long bytes);

  @Name("attune_copy")
  static native int copy(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long bytes);

  @Name("attune_linear_fwd")
  static native int linearForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("void*") long pre,
      @Cast("const void*") long inp,
      @Cast("const void*") long weight,
      @Cast("const float*") long bias,
      long N,
      long C,
      long F,
      int activation,
      int dtype,
      int weightDtype);

  @Name("attune_linear_bwd_input")
  static native int linearBackwardInput(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("void*") long actOut,
      @Cast("const void*") long dout,
      @Cast("const void*") long weight,
      @Cast("const void*") long pre,
      long N,
      long C,
      long F,
      int activation,
      int accumulate,
      int dtype,
      int weightDtype);

  @Name("attune_linear_bwd_weight")
  static native int linearBackwardWeight(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long dweight,
      @Cast("float*") long dbias,
      @Cast("const void*") long dout,
      @Cast("const void*") long inp,
      long N,
      long C,
      long F,
      int accumulate,
      int dtype);

  @Name("attune_attention_fwd")
  static native int attentionForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("float*") long lse,
      @Cast("const void*") long q,
      @Cast("const void*") long k,
      @Cast("const void*") long v,
      @Cast("const int32_t*") long cuQ,
      @Cast("const int32_t*") long cuK,
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      int causal,
      long window,
      float p,
      long seed,
      long stream,
      int dtype);

  @Name("attune_attention_bwd")
  static native int attentionBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dq,
      @Cast("void*") long dk,
      @Cast("void*") long dv,
      @Cast("const void*") long dout,
      @Cast("const void*") long q,
      @Cast("const void*") long k,
      @Cast("const void*") long v,
      @Cast("const void*") long out,
      @Cast("const float*") long lse,
      @Cast("const int32_t*") long cuQ,
      @Cast("const int32_t*") long cuK,
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      int causal,
      long window,
      float p,
      long seed,
      long stream,
      int dtype);

  @Name("attune_layer_norm_fwd")
  static native int layerNormForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("void*") long sum,
      @Cast("float*") long mean,
      @Cast("float*") long rstd,
      @Cast("const void*") long inp,
      @Cast("const void*") long residual,
      @Cast("const float*") long weight,
      @Cast("const float*") long bias,
      long N,
      long C,
      float eps,
      float pInp,
      float pOut,
      long seed,
      long stream,
      int dtype);

  @Name("attune_layer_norm_bwd")
  static native int layerNormBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("void*") long dresidual,
      @Cast("float*") long dweight,
      @Cast("float*") long dbias,
      @Cast("const void*") long dout,
      @Cast("const void*") long dsumExtra,
      @Cast("const void*") long sum,
      @Cast("const float*") long mean,
      @Cast("const float*") long rstd,
      @Cast("const float*") long weight,
      long N,
      long C,
      float pInp,
      float pOut,
      long seed,
      long stream,
      int accumulateResidual,
      int accumulateWeight,
      int dtype);

  @Name("attune_embedding_fwd")
  static native int embeddingForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const float*") long word,
      @Cast("const float*") long position,
      @Cast("const float*") long type,
      @Cast("const int32_t*") long ids,
      @Cast("const int32_t*") long positions,
      @Cast("const int32_t*") long typeIds,
      long N,
      long C,
      long V,
      long P,
      long T,
      int dtype);

  @Name("attune_embedding_bwd")
  static native int embeddingBackward(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long dword,
      @Cast("float*") long dposition,
      @Cast("float*") long dtokenType,
      @Cast("const void*") long dout,
      @Cast("const int32_t*") long ids,
      @Cast("const int32_t*") long positions,
      @Cast("const int32_t*") long typeIds,
      long N,
      long C,
      int dtype);

  @Name("attune_zero_rows")
  static native int zeroRows(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long table,
      @Cast("const int32_t*") long rows,
      long M,
      long C);

  @Name("attune_gather_rows_fwd")
  static native int gatherRowsForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      @Cast("const int32_t*") long rows,
      long M,
      long C,
      int dtype);

  @Name("attune_gather_rows_bwd")
  static native int gatherRowsBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("const void*") long dout,
      @Cast("const int32_t*") long rows,
      long N,
      long M,
      long C,
      int accumulate,
      int dtype);

  @Name("attune_mean_pool_fwd")
  static native int meanPoolForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      @Cast("const int32_t*") long cuSeqlens,
      long B,
      long C,
      int dtype);

  @Name("attune_mean_pool_bwd")
  static native int meanPoolBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("const void*") long dout,
      @Cast("const int32_t*") long cuSeqlens,
      long B,
      long C,
      int accumulate,
      int dtype);

  @Name("attune_activation_fwd")
  static native int activationForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long count,
      int activation,
      int dtype);

  @Name("attune_activation_bwd")
  static native int activationBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("const void*") long dout,
      @Cast("const void*") long inp,
      long count,
      int activation,
      int accumulate,
      int dtype);

  @Name("attune_dropout")
  static native int dropout(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long count,
      float p,
      long seed,
      long stream,
      int dtype);

  @Name("attune_cast")
  static native int cast(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long count,
      int accumulate,
      int outDtype,
      int inpDtype);

  @Name("attune_cross_entropy")
  static native int crossEntropy(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long losses,
      @Cast("void*") long dlogits,
      @Cast("const void*") long logits,
      @Cast("const int32_t*") long labels,
      long N,
      long K,
      int ignore,
      float labelSmoothing,
      float scale,
      int dtype);

  @Name("attune_mse")
  static native int mse(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long losses,
      @Cast("void*") long dpred,
      @Cast("const void*") long pred,
      @Cast("const float*") long targets,
      long N,
      float scale,
      int dtype);

  @Name("attune_sum_of_squares")
  static native int sumOfSquares(
      @Cast("attune_context*") long ctx,
      @Cast("double*") long out,
      @Cast("const float*") long inp,
      long count);

  @Name("attune_sum_of_squares_rows")
  static native int sumOfSquaresRows(
      @Cast("attune_context*") long ctx,
      @Cast("double*") long out,
      @Cast("const float*") long table,
      @Cast("const int32_t*") long rows,
      long M,
      long C);

  @Name("attune_adamw")
  static native int adamw(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long m,
      @Cast("float*") long v,
      @Cast("void*") long shadow,
      @Cast("const float*") long grad,
      long count,
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2,
      float gradScale);

  @Name("attune_adamw_rows")
  static native int adamwRows(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long m,
      @Cast("float*") long v,
      @Cast("const float*") long grad,
      @Cast("const uint8_t*") long rowState,
      long V,
      long C,
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2,
      float gradScale);

  @Name("attune_sgd")
  static native int sgd(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long momentumBuffer,
      @Cast("void*") long shadow,
      @Cast("const float*") long grad,
      long count,
      float lr,
      float momentum,
      float weightDecay,
      int nesterov,
      int firstStep,
      float gradScale);

  @Name("attune_rms_norm_fwd")
  static native int rmsNormForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("void*") long sum,
      @Cast("float*") long rstd,
      @Cast("const void*") long inp,
      @Cast("const void*") long residual,
      @Cast("const float*") long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      float eps,
      int dtype);

  @Name("attune_rms_norm_bwd")
  static native int rmsNormBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("float*") long dweight,
      @Cast("const void*") long dout,
      @Cast("const void*") long dsumExtra,
      @Cast("const void*") long sum,
      @Cast("const float*") long rstd,
      @Cast("const float*") long weight,
      long N,
      long G,
      long C,
      long inpStride,
      long outStride,
      int accumulateWeight,
      int dtype);

  @Name("attune_rope")
  static native int rope(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long inp,
      @Cast("const float*") long table,
      @Cast("const int32_t*") long positions,
      long N,
      long H,
      long D,
      long rotary,
      long stride,
      long P,
      int inverse,
      int dtype);

  @Name("attune_gated_fwd")
  static native int gatedForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long N,
      long F,
      int activation,
      int dtype);

  @Name("attune_gated_bwd")
  static native int gatedBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("void*") long outAgain,
      @Cast("const void*") long dout,
      @Cast("const void*") long inp,
      long N,
      long F,
      int activation,
      int dtype);

  @Name("attune_lora_fwd")
  static native int loraForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long low,
      @Cast("const float*") long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      int dtype);

  @Name("attune_lora_bwd")
  static native int loraBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dlow,
      @Cast("float*") long dup,
      @Cast("const void*") long dout,
      @Cast("const void*") long low,
      @Cast("const float*") long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      int accumulate,
      int dtype);

  @Name("attune_dora_gain")
  static native int doraGain(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long gain,
      @Cast("float*") long excess,
      @Cast("float*") long norm,
      @Cast("const void*") long weight,
      @Cast("const float*") long down,
      @Cast("const float*") long up,
      @Cast("const float*") long magnitude,
      long rows,
      long firstRow,
      long F,
      long C,
      long R,
      float scale,
      int weightDtype);

  @Name("attune_dora_fwd")
  static native int doraForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      @Cast("const float*") long gain,
      @Cast("const float*") long bias,
      long N,
      long F,
      int accumulate,
      int dtype);

  @Name("attune_dora_bwd")
  static native int doraBackward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long dinp,
      @Cast("float*") long dmagnitude,
      @Cast("const void*") long dout,
      @Cast("const void*") long inp,
      @Cast("const float*") long gain,
      @Cast("const float*") long norm,
      long N,
      long F,
      long stride,
      int accumulate,
      int dtype);

  @Name("attune_attention_cached_fwd")
  static native int attentionCachedForward(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long q,
      @Cast("const void*") long kCache,
      @Cast("const void*") long vCache,
      @Cast("const int32_t*") long cuQ,
      @Cast("const int32_t*") long kStart,
      @Cast("const int32_t*") long kCount,
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      long window,
      int dtype);

  @Name("attune_kv_cache_write")
  static native int kvCacheWrite(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long kCache,
      @Cast("void*") long vCache,
      @Cast("const void*") long k,
      @Cast("const void*") long v,
      @Cast("const int32_t*") long rows,
      long N,
      long width,
      long inpStride,
      long cacheStride,
      int dtype);

  @Name("attune_argmax")
  static native int argmax(
      @Cast("attune_context*") long ctx,
      @Cast("int32_t*") long out,
      @Cast("const void*") long inp,
      long N,
      long K,
      int dtype);

  @Name("attune_quantize")
  static native int quantize(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long F,
      long C,
      int inpDtype,
      int outDtype);

  @Name("attune_dequantize")
  static native int dequantize(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long F,
      long C,
      int outDtype,
      int inpDtype);

  @Name("attune_quantized_bytes")
  static native long quantizedBytes(long F, long C, int dtype);
}
