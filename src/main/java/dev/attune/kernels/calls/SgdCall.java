package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Stochastic gradient descent with momentum, with the values of the step block. */
public final class SgdCall {
  private SgdCall() {}

  /**
   * Over {@code count} elements.
   *
   * @param momentumBuffer zeros before the first step; 0 only where momentum is
   * @param shadow bf16 or 0: receives the new weights, rounded
   * @param lrFactor what the step's rate is multiplied by here
   */
  public record Flat(
      long weight,
      long momentumBuffer,
      long shadow,
      long grad,
      long count,
      float momentum,
      float weightDecay,
      float lrFactor,
      boolean nesterov)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(momentumBuffer, momentum != 0).mayWrite(shadow).reads(grad);
      frame.count(count).notNegative(momentum).notNegative(weightDecay);
      frame.notNegative(lrFactor).flag(nesterov);
    }
  }
}
