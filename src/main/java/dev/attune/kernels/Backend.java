package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.core.Device;
import dev.attune.memory.Allocator;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/**
 * The waist of the house: everything above computes through this interface, everything below
 * implements it. One method per kernel, mirroring {@code native/include/attune_ops.h}, whose
 * comments are the contract (shapes, aliasing, what is overwritten and what accumulates).
 *
 * <p>Tensors are addresses; 0 stands for an absent optional one. Letters: B sequences, N packed
 * rows, C width, H and Hkv heads, D head size, F output width, V vocabulary, K classes. {@code
 * dtype} is the type of activations and their gradients; gradients of weights and saved statistics
 * are f32. A bad argument throws {@link IllegalArgumentException}, a missing implementation {@link
 * UnsupportedOperationException}, a device fault {@link BackendException}.
 *
 * <p>One thread uses a backend at a time.
 */
public interface Backend extends Allocator, AutoCloseable {
  /** Short name, as in {@code --backend}. */
  String name();

  Device device();

  /** One line for people: instruction set, threads, device. */
  String description();

  /**
   * What results depend on to the last bit: a run that is begun with it can be resumed with it
   * alone. The description, unless some of that makes no difference.
   */
  default String arithmetic() {
    return description();
  }

  /** Whether bf16 runs on instructions of its own here, so that it is faster than f32. */
  boolean hasFastBf16();

  /**
   * How many rows a packed batch of {@code rows} is to have on the device: more, where work is
   * prepared for each number of rows that occurs. The rows beyond the real ones belong to sequences
   * of their own, of which nothing is learned.
   */
  default int paddedRows(int rows) {
    return rows;
  }

  /**
   * The {@code maxLength} to give to attention where the longest sequence has {@code length} rows:
   * a greater one, where work is prepared for each bound that occurs.
   */
  default int paddedLength(int length) {
    return length;
  }

  /** Training that runs ahead of the host; null where work is done when its call returns. */
  default DeviceStep deviceStep() {
    return null;
  }

  /**
   * Whether products of f32 activations with frozen bf16 weights read those as they are, rather
   * than widen them into a copy each time.
   */
  default boolean readsNarrowWeights() {
    return false;
  }

  /**
   * Whether bf16 products should read their weights from a bf16 copy that the optimizer keeps
   * beside the f32 master, rather than from the master.
   */
  default boolean wantsBf16Weights() {
    return false;
  }

  /** Whether there can be others on the same memory, for other threads: see {@link #sibling}. */
  default boolean hasSiblings() {
    return false;
  }

  /**
   * Another backend like this one, which a second thread can use at the same time: with an
   * execution context of its own, on the same memory.
   *
   * @throws UnsupportedOperationException unless {@link #hasSiblings}
   */
  default Backend sibling() {
    throw new UnsupportedOperationException("there is one " + name() + " backend on a device");
  }

  /** How many threads of the host work on a kernel at the most. */
  default int threads() {
    return 1;
  }

  /**
   * How many of the {@link #threads} work on the kernels that follow: to be called from any thread,
   * also while another one runs a kernel. Results do not depend on it.
   */
  default void share(int threads) {}

  /**
   * How many bytes an arena of activations may reserve: address space of which most is never
   * touched on the CPU (half of the machine's memory), real memory on a device (most of what is
   * free now).
   */
  default long reservableBytes() {
    OperatingSystemMXBean bean = ManagementFactory.getOperatingSystemMXBean();
    return bean instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize() / 2
        : 8L << 30;
  }

  /**
   * The most memory of a device that was reserved at one time; 0 where memory is that of the
   * process.
   */
  default long peakReservedBytes() {
    return 0;
  }

  /**
   * Waits until all work is done, and throws what went wrong with it. Work is done at once where
   * calls are synchronous.
   */
  default void synchronize() {}

  @Override
  void close();

  /** Zeroes a range. */
  void fillZero(long out, long bytes);

  /** Copies a range. */
  void copy(long out, long inp, long bytes);

  /**
   * {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))}; {@code pre (N,F)}, where not 0,
   * receives the pre-activation. The weight is {@code weightDtype}, the bias f32 or 0.
   */
  void linearForward(
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
      DType weightDtype);

  /**
   * {@code dinp (N,C) (+)= (dout (N,F) * weight (F,C)) .* act'(pre (N,C))}; {@code actOut}, where
   * not 0, receives {@code act(pre)}.
   */
  void linearBackwardInput(
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
      DType weightDtype);

  /**
   * {@code dweight (F,C) (+)= dout^T * inp}, {@code dbias (F) (+)=} column sums of dout; dbias may
   * be 0.
   */
  void linearBackwardWeight(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype);

  /**
   * Variable-length multi-head attention: {@code q (Nq,H,D)}, {@code k, v (Nk,Hkv,D)} with row
   * strides in elements, {@code out (Nq,H,D)} dense, {@code lse (H,Nq)} f32; sequences bounded by
   * {@code cuQ, cuK (B+1)}, none of more than {@code maxLength} queries or keys.
   */
  void attentionForward(
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
      DType dtype);

  /** Overwrites {@code dq, dk, dv}, which have the strides of q and of k, v. */
  void attentionBackward(
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
      DType dtype);

  /**
   * {@code sum = dropout(inp) + residual; out = dropout(layerNorm(sum))}; {@code mean, rstd (N)}
   * f32 are saved. residual may be 0; sum may be inp, or 0 in inference.
   */
  void layerNormForward(
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
      DType dtype);

  /**
   * {@code dsum = dsumExtra + layer norm's gradient}; dinp (through the mask) and dresidual may be
   * 0.
   */
  void layerNormBackward(
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
      DType dtype);

  /** {@code out (N,C) = word[ids] + position[positions] + type[typeIds]}; the last two may be 0. */
  void embeddingForward(
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
      DType dtype);

  /** Adds the rows of dout to the tables at their indices; always accumulates. */
  void embeddingBackward(
      long dword,
      long dposition,
      long dtokenType,
      long dout,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      DType dtype);

  /** Zeroes rows of a table {@code (.,C)} f32. */
  void zeroRows(long table, long rows, long M, long C);

  /**
   * {@code out (M,C) = inp[rows]}; rows are not checked, and distinct where there is a backward.
   */
  void gatherRowsForward(long out, long inp, long rows, long M, long C, DType dtype);

  /** Scatters dout to rows of {@code dinp (N,C)}; without accumulate the others become 0. */
  void gatherRowsBackward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype);

  /** {@code out (B,C)} = mean of the rows of each sequence. */
  void meanPoolForward(long out, long inp, long cuSeqlens, long B, long C, DType dtype);

  /** Spreads dout over the rows of each sequence. */
  void meanPoolBackward(
      long dinp, long dout, long cuSeqlens, long B, long C, boolean accumulate, DType dtype);

  /** Element-wise; in place is allowed. */
  void activationForward(long out, long inp, long count, Activation activation, DType dtype);

  /** {@code dinp (+)= dout .* act'(inp)}; in place is allowed. */
  void activationBackward(
      long dinp,
      long dout,
      long inp,
      long count,
      Activation activation,
      boolean accumulate,
      DType dtype);

  /** Its own backward; in place is allowed. */
  void dropout(long out, long inp, long count, float p, long seed, long stream, DType dtype);

  /** {@code out (+)= inp}, converting. */
  void cast(long out, long inp, long count, boolean accumulate, DType outDtype, DType inpDtype);

  /**
   * Softmax cross-entropy: {@code losses (N)} f32 and {@code dlogits (N,K) = (softmax - target) *
   * scale} in one pass; dlogits may be 0 or logits itself.
   */
  void crossEntropy(
      long losses,
      long dlogits,
      long logits,
      long labels,
      long N,
      long K,
      int ignore,
      float labelSmoothing,
      float scale,
      DType dtype);

  /**
   * {@code losses (N) = (pred - target)^2}, {@code dpred = 2 (pred - target) scale}; dpred may be
   * 0.
   */
  void mse(long losses, long dpred, long pred, long targets, long N, float scale, DType dtype);

  /** {@code out (1)} f64. */
  void sumOfSquares(long out, long inp, long count);

  /** {@code out (1)} f64, over the given rows of a table. */
  void sumOfSquaresRows(long out, long table, long rows, long M, long C);

  /** Decoupled weight decay Adam over {@code count} elements; {@code shadow} (bf16) may be 0. */
  void adamw(
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
      float gradScale);

  /** AdamW over a table whose gradient is zero outside the rows with state 2. */
  void adamwRows(
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
      float gradScale);

  /** Stochastic gradient descent with momentum. */
  void sgd(
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
      float gradScale);

  /**
   * {@code sum = inp + residual; out = sum * rstd * weight}, per row of G groups of C (G > 1: the
   * heads of a product, rows {@code inpStride} and {@code outStride} elements apart); residual and
   * sum may be 0 together.
   */
  void rmsNormForward(
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
      DType dtype);

  /**
   * {@code dinp = dsumExtra + root mean square norm's gradient}: of inp and of residual alike;
   * dweight may be 0.
   */
  void rmsNormBackward(
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
      DType dtype);

  /**
   * Rotates, in place, the first {@code rotary} elements of H heads; {@code inverse} is its
   * backward.
   */
  void rope(
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
      DType dtype);

  /** {@code out (N,F) = act(inp[:, :F]) .* inp[:, F:]}, inp {@code (N,2F)}. */
  void gatedForward(long out, long inp, long N, long F, Activation activation, DType dtype);

  /**
   * Overwrites {@code dinp (N,2F)}, which may be inp; {@code outAgain (N,F)}, where not 0, receives
   * the forward's result and may be dout.
   */
  void gatedBackward(
      long dinp,
      long outAgain,
      long dout,
      long inp,
      long N,
      long F,
      Activation activation,
      DType dtype);

  /** {@code out (N,F) += scale * low (N,R) * up (F,R)^T}. */
  void loraForward(
      long out,
      long low,
      long up,
      long N,
      long F,
      long R,
      long outStride,
      long lowStride,
      float scale,
      DType dtype);

  /**
   * {@code dlow (N,R) = scale * dout * up}, {@code dup (F,R) (+)= scale * dout^T * low}, in one
   * pass over dout.
   */
  void loraBackward(
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
      DType dtype);

  /**
   * What weight-decomposed adapters (DoRA) multiply columns by: {@code norm (F)} of the rows of
   * {@code weight[firstRow ..] + scale * up (F,R) * down (R,C)}, {@code gain (F) = magnitude /
   * norm}, {@code excess (F) = gain - 1}; 0 and -1 where the norm is 0. The weight is (rows, C) of
   * any type that products read.
   *
   * @param gain with {@code excess} and {@code magnitude}: all three, or 0 for all three
   */
  void doraGain(
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
      DType weightDtype);

  /**
   * {@code out (N,F) (+)= gain .* inp (N,F) + bias}.
   *
   * @param out may be {@code inp}
   * @param bias may be 0
   */
  void doraForward(
      long out, long inp, long gain, long bias, long N, long F, boolean accumulate, DType dtype);

  /**
   * {@code dinp (N,F) = gain .* dout}, {@code dmagnitude (F) (+)= (sum over rows of dout .* inp) /
   * norm}; rows of all three are {@code stride} apart.
   *
   * @param dinp may be {@code dout} or {@code inp}
   * @param dmagnitude 0: not wanted; inp and norm may then be 0 too
   */
  void doraBackward(
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
      DType dtype);

  /**
   * Causal attention of a few new rows of B sequences over a key/value cache: sequence b's keys are
   * cache rows {@code kStart[b] .. kStart[b] + kCount[b]}, the last of them its own queries'.
   */
  void attentionCachedForward(
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
      DType dtype);

  /** Copies rows of {@code k, v (N,width)} to rows {@code rows[n]} of the caches. */
  void kvCacheWrite(
      long kCache,
      long vCache,
      long k,
      long v,
      long rows,
      long N,
      long width,
      long inpStride,
      long cacheStride,
      DType dtype);

  /** {@code out (N)} i32 = index of the largest element of each row, the first of equals. */
  void argmax(long out, long inp, long N, long K, DType dtype);

  /**
   * Packs a weight {@code (F,C)} into the 4- or 8-bit layout {@code outDtype}, which the linear
   * products take as their {@code weightDtype}.
   */
  void quantize(long out, long inp, long F, long C, DType inpDtype, DType outDtype);

  /** The values that {@link #quantize} stored, as f32 or bf16. */
  void dequantize(long out, long inp, long F, long C, DType outDtype, DType inpDtype);
}
