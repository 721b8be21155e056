package dev.attune.ref;

/** Stochastic gradient descent with momentum, as PyTorch defines it. */
public final class SgdRef {
  private SgdRef() {}

  /** The numbers that are the same for all elements. */
  public record Step(
      double lr,
      double momentum,
      double weightDecay,
      boolean nesterov,
      boolean firstStep,
      double gradScale) {}

  /** Updates weight and momentumBuffer in place; without momentum the buffer may be null. */
  public static void apply(
      Precision p, double[] weight, double[] momentumBuffer, double[] grad, Step step) {
    for (int i = 0; i < weight.length; i++) {
      double g = p.f32(p.f32(step.gradScale * grad[i]) + p.f32(step.weightDecay * weight[i]));
      double direction = g;
      if (momentumBuffer != null) {
        momentumBuffer[i] =
            step.firstStep ? g : p.f32(p.f32(step.momentum * momentumBuffer[i]) + g);
        direction =
            step.nesterov ? p.f32(g + p.f32(step.momentum * momentumBuffer[i])) : momentumBuffer[i];
      }
      weight[i] = p.f32(weight[i] - p.f32(step.lr * direction));
    }
  }
}
