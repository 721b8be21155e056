package dev.attune.kernels.cuda;

import dev.attune.kernels.cuda.AttentionGraph.Shape;

/**
 * Self-attention by other kernels than ours: bf16, without dropout, over all earlier rows or all
 * rows. Its numbers are those of {@link dev.attune.kernels.calls.AttentionCall} up to rounding;
 * which of them it gives is the same every time.
 *
 * <p>A call that fails throws {@link CudaFailure}; where the engine has nothing for a shape,
 * nothing was enqueued.
 */
interface AttentionEngine extends AutoCloseable {
  /**
   * Where a batch is.
   *
   * @param sequences B, at most the shape's
   * @param cuSeqlens (B+1) i32 bounds of the sequences, none longer than the shape's length
   * @param qkv (N, (H + 2 Hkv) D)
   */
  record Batch(long sequences, long cuSeqlens, long qkv) {}

  /** With its version, for people. */
  String name();

  /** {@code out (N, H D)}, {@code lse (H,N)} f32. */
  void forward(Shape shape, Batch batch, long out, long lse);

  /** {@code dqkv} of the shape of qkv, from dout and what {@link #forward} had and gave. */
  void backward(Shape shape, Batch batch, long out, long lse, long dout, long dqkv);

  @Override
  void close();
}
