package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Adam with decoupled weight decay, with the values of the step block ({@link StepCall}). */
public final class AdamWCall {
  private AdamWCall() {}

  /**
   * Over {@code count} elements.
   *
   * @param shadow bf16 or 0: receives the new weights, rounded
   * @param lrFactor what the step's rate is multiplied by here
   */
  public record Flat(
      long weight,
      long m,
      long v,
      long shadow,
      long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).mayWrite(shadow).reads(grad).count(count);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor);
    }
  }

  /**
   * Over a table (V,C) whose gradient is zero outside the rows with state 2.
   *
   * @param rowState (V) u8: 0 never had a gradient, 1 had one in an earlier step, 2 has one
   * @param lrFactor what the step's rate is multiplied by here
   */
  public record Rows(
      long weight,
      long m,
      long v,
      long grad,
      long rowState,
      long V,
      long C,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).reads(grad).reads(rowState);
      frame.count(V).columns(C, V);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor);
    }
  }
}
