package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** The ops of {@code native/include/attune_ops.h}, each with the record of its calls. */
public enum Op {
  FILL_ZERO(FillZeroCall.class),
  COPY(CopyCall.class),
  LINEAR_FWD(LinearCall.Forward.class),
  LINEAR_BWD_INPUT(LinearCall.BackwardInput.class),
  LINEAR_BWD_WEIGHT(LinearCall.BackwardWeight.class),
  LINEAR_INT8_PACK(LinearInt8Call.Pack.class),
  LINEAR_INT8_FWD(LinearInt8Call.Forward.class),
  ATTENTION_FWD(AttentionCall.Forward.class),
  ATTENTION_BWD(AttentionCall.Backward.class),
  RELATIVE_BIAS_FWD(RelativeBiasCall.Forward.class),
  RELATIVE_BIAS_BWD(RelativeBiasCall.Backward.class),
  DISENTANGLED_ATTENTION_FWD(DisentangledAttentionCall.Forward.class),
  DISENTANGLED_ATTENTION_BWD(DisentangledAttentionCall.Backward.class),
  LAYER_NORM_FWD(LayerNormCall.Forward.class),
  LAYER_NORM_BWD(LayerNormCall.Backward.class),
  EMBEDDING_FWD(EmbeddingCall.Forward.class),
  EMBEDDING_BWD(EmbeddingCall.Backward.class),
  ZERO_ROWS(ZeroRowsCall.class),
  GATHER_ROWS_FWD(GatherRowsCall.Forward.class),
  GATHER_ROWS_BWD(GatherRowsCall.Backward.class),
  MEAN_POOL_FWD(MeanPoolCall.Forward.class),
  MEAN_POOL_BWD(MeanPoolCall.Backward.class),
  ACTIVATION_FWD(ActivationCall.Forward.class),
  ACTIVATION_BWD(ActivationCall.Backward.class),
  DROPOUT(DropoutCall.class),
  CAST(CastCall.class),
  CROSS_ENTROPY(CrossEntropyCall.class),
  BINARY_CROSS_ENTROPY(BinaryCrossEntropyCall.class),
  SPAN_CROSS_ENTROPY(SpanCrossEntropyCall.class),
  MSE(MseCall.class),
  L2_NORMALIZE_FWD(L2NormalizeCall.Forward.class),
  L2_NORMALIZE_BWD(L2NormalizeCall.Backward.class),
  PAIR_LOSS(PairLossCall.class),
  RESET_STEP(StepCall.Reset.class),
  SET_STREAM_BASE(StepCall.StreamBase.class),
  SET_UPDATE(StepCall.Update.class),
  WATCH_LOSSES(StepCall.Watch.class),
  CLIP(StepCall.Clip.class),
  SUM_OF_SQUARES(SumOfSquaresCall.Flat.class),
  SUM_OF_SQUARES_ROWS(SumOfSquaresCall.Rows.class),
  ADAMW(AdamWCall.Flat.class),
  ADAMW_ROWS(AdamWCall.Rows.class),
  ADAMW_LAZY_ROWS(AdamWCall.LazyRows.class),
  ADAMW_SETTLE_ROWS(AdamWCall.SettleRows.class),
  ADAMW_8BIT(AdamWCall.EightBit.class),
  SGD(SgdCall.Flat.class),
  RMS_NORM_FWD(RmsNormCall.Forward.class),
  RMS_NORM_BWD(RmsNormCall.Backward.class),
  ROPE(RopeCall.class),
  GATED_FWD(GatedCall.Forward.class),
  GATED_BWD(GatedCall.Backward.class),
  LORA_FWD(LoraCall.Forward.class),
  LORA_BWD(LoraCall.Backward.class),
  DORA_GAIN(DoraCall.Gain.class),
  DORA_FWD(DoraCall.Forward.class),
  DORA_BWD(DoraCall.Backward.class),
  ATTENTION_CACHED_FWD(AttentionCachedCall.class),
  KV_CACHE_WRITE(KvCacheWriteCall.class),
  ARGMAX(ArgmaxCall.class),
  QUANTIZE(QuantizeCall.Pack.class),
  DEQUANTIZE(QuantizeCall.Unpack.class),
  SEQUENCE_OFFSETS(CudnnCall.SequenceOffsets.class),
  TRANSPOSE_STATS(CudnnCall.TransposeStats.class);

  private static final Map<Class<?>, Op> BY_CALL = new HashMap<>();

  static {
    for (Op op : values()) {
      BY_CALL.put(op.call, op);
    }
  }

  private final Class<? extends Call> call;
  private final String title;

  Op(Class<? extends Call> call) {
    this.call = call;
    this.title = name().toLowerCase(Locale.ROOT);
  }

  /**
   * The op that a call is one of.
   *
   * @throws IllegalArgumentException if it is not of a record that is listed here
   */
  public static Op of(Call call) {
    Op op = BY_CALL.get(call.getClass());
    if (op == null) {
      throw new IllegalArgumentException(call.getClass() + " is the call of no op");
    }
    return op;
  }

  /** The record of its calls. */
  public Class<? extends Call> call() {
    return call;
  }

  /** Its name in the header, without the prefix: {@code layer_norm_fwd}. */
  public String title() {
    return title;
  }
}
