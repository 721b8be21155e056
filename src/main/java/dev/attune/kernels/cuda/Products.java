package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;

/**
 * Matrix products on the device, with what can be fused into them. Operands have one type, bf16 or
 * f32; sums are f32. No argument is null unless the method says so; N, C and F are at least 1.
 */
interface Products extends AutoCloseable {
  /** Whether {@link #forward} takes this activation, with this {@code pre} and width. */
  boolean fusesForward(Activation activation, DType dtype, long pre, long F);

  /** Whether {@link #backwardInput} takes this activation, with this {@code pre} and width. */
  boolean fusesBackward(Activation activation, DType dtype, long pre, long C);

  /**
   * {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))}; pre (N,F) and bias (F) f32 may
   * be 0.
   */
  void forward(
      long out,
      long pre,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation,
      DType dtype);

  /**
   * {@code dinp (N,C) (+)= (dout (N,F) * weight (F,C)) .* act'(pre (N,C))}; pre is 0 without
   * activation. With an activation nothing accumulates.
   */
  void backwardInput(
      long dinp,
      long dout,
      long weight,
      long pre,
      long N,
      long C,
      long F,
      Activation activation,
      boolean accumulate,
      DType dtype);

  /**
   * {@code dweight (F,C) f32 (+)= dout (N,F)^T * inp (N,C)}; {@code dbias (F) f32 =} column sums of
   * dout, never accumulated; dbias may be 0.
   */
  void backwardWeight(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype);

  @Override
  void close();
}
