package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;

/**
 * Matrix products on the device, with what can be fused into them. Operands have one type, bf16 or
 * f32; sums are f32. N, C and F are at least 1.
 */
interface Products extends AutoCloseable {
  /** Whether {@link #forward} takes this activation, with this {@code pre} and width. */
  boolean fusesForward(Activation activation, DType dtype, long pre, long F);

  /** Whether {@link #backwardInput} takes this activation, with this {@code pre} and width. */
  boolean fusesBackward(Activation activation, DType dtype, long pre, long C);

  /** The call as it is; {@code weightDtype} is {@code dtype}. */
  void forward(LinearCall.Forward call);

  /**
   * The call as it is; {@code weightDtype} is {@code dtype}, {@code actOut} is 0. With an
   * activation nothing accumulates.
   */
  void backwardInput(LinearCall.BackwardInput call);

  /** The call, but for {@code dbias}, which is overwritten even where {@code dweight} is not. */
  void backwardWeight(LinearCall.BackwardWeight call);

  @Override
  void close();
}
