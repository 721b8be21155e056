package dev.attune.kernels.cuda;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Const;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The natives of {@code libattune_cuda}: {@code attune_cuda.h} and the ops of {@code attune_ops.h}
 * but the products, one method per entry, as {@code CpuNative} declares them for the CPU. A JNI
 * method belongs to one class and one library, so the two lists cannot be one.
 */
@NoException
@Platform(
    include = {"attune_ops.h", "attune_cuda.h"},
    compiler = "cpp17")
final class CudaNative {
  private CudaNative() {}

  @Name("attune_abi_version")
  static native int abiVersion();

  @Name("attune_last_error")
  static native @Const BytePointer lastError();

  @Name("attune_cuda_workspace_bytes")
  static native long workspaceBytes();

  @Name("attune_cuda_context_open")
  static native @Cast("jlong") long contextOpen(
      int device, @Cast("void*") long stream, @Cast("void*") long workspace, long workspaceBytes);

  @Name("attune_cuda_context_close")
  static native void contextClose(@Cast("attune_context*") long ctx);

  @Name("attune_cuda_check")
  static native int check(@Cast("attune_context*") long ctx);

  @Name("attune_cuda_reset_step")
  static native int resetStep(@Cast("attune_context*") long ctx);

  @Name("attune_cuda_set_step")
  static native int setStep(
      @Cast("attune_context*") long ctx,
      long streamBase,
      float lr,
      float biasCorrection1,
      float biasCorrection2,
      float lossScale);

  @Name("attune_cuda_watch_losses")
  static native int watchLosses(
      @Cast("attune_context*") long ctx, @Cast("const float*") long losses, long count);

  @Name("attune_cuda_clip")
  static native int clip(
      @Cast("attune_context*") long ctx,
      @Cast("const double*") long sumsOfSquares,
      long count,
      float maxNorm,
      @Cast("double*") long outNorm);

  @Name("attune_cuda_adamw_captured")
  static native int adamwCaptured(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long m,
      @Cast("float*") long v,
      @Cast("void*") long shadow,
      @Cast("const float*") long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay);

  @Name("attune_cuda_adamw_rows_captured")
  static native int adamwRowsCaptured(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long m,
      @Cast("float*") long v,
      @Cast("const float*") long grad,
      @Cast("const uint8_t*") long rowState,
      long V,
      long C,
      float beta1,
      float beta2,
      float eps,
      float weightDecay);

  @Name("attune_cuda_sgd_captured")
  static native int sgdCaptured(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long weight,
      @Cast("float*") long momentumBuffer,
      @Cast("void*") long shadow,
      @Cast("const float*") long grad,
      long count,
      float momentum,
      float weightDecay,
      int nesterov);

  @Name("attune_cuda_offsets_stride")
  static native long offsetsStride(long padded);

  @Name("attune_cuda_sequence_offsets")
  static native int sequenceOffsets(
      @Cast("attune_context*") long ctx,
      @Cast("int32_t*") long out,
      @Cast("const int32_t*") long cuSeqlens,
      long B,
      long padded,
      long width,
      long outWidth,
      long heads);

  @Name("attune_cuda_transpose_stats")
  static native int transposeStats(
      @Cast("attune_context*") long ctx,
      @Cast("float*") long out,
      @Cast("const float*") long inp,
      @Cast("const int32_t*") long cuSeqlens,
      long B,
      long heads,
      int byHead);

  @Name("attune_cuda_graph_begin")
  static native int graphBegin(@Cast("attune_context*") long ctx);

  /** The graph's address goes to {@code out}: once a capture, not once a step. */
  @Name("attune_cuda_graph_end")
  static native int graphEnd(
      @Cast("attune_context*") long ctx, @Cast("attune_cuda_graph**") LongPointer out);

  @Name("attune_cuda_graph_launch")
  static native int graphLaunch(
      @Cast("attune_context*") long ctx, @Cast("attune_cuda_graph*") long graph);

  @Name("attune_cuda_graph_destroy")
  static native int graphDestroy(
      @Cast("attune_context*") long ctx, @Cast("attune_cuda_graph*") long graph);

  @Name("attune_fill_zero")
  static native int fillZero(
      @Cast("attune_context*") long ctx, @Cast("void*") long out, long bytes);

  @Name("attune_copy")
  static native int copy(
      @Cast("attune_context*") long ctx,
      @Cast("void*") long out,
      @Cast("const void*") long inp,
      long bytes);

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
