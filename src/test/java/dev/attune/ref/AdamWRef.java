package dev.attune.ref;

import dev.attune.core.Philox;

/** Adam with decoupled weight decay, in PyTorch's order of operations. */
public final class AdamWRef {
  private AdamWRef() {}

  /** The numbers that are the same for all elements. */
  public record Step(
      double lr,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double biasCorrection1,
      double biasCorrection2,
      double gradScale) {}

  /** Updates weight, m and v in place. */
  public static void apply(
      Precision p, double[] weight, double[] m, double[] v, double[] grad, Step step) {
    for (int i = 0; i < weight.length; i++) {
      decay(p, weight, i, step);
      double g = p.f32(step.gradScale * grad[i]);
      m[i] = p.f32(m[i] + p.f32(p.f32(1 - step.beta1) * p.f32(g - m[i])));
      v[i] = p.f32(p.f32(step.beta2 * v[i]) + p.f32(p.f32(1 - step.beta2) * p.f32(g * g)));
      double denominator =
          p.f32(p.f32(p.f32(Math.sqrt(v[i])) / p.f32(Math.sqrt(step.biasCorrection2))) + step.eps);
      double rate = p.f32(step.lr / step.biasCorrection1);
      weight[i] = p.f32(weight[i] - p.f32(rate * p.f32(m[i] / denominator)));
    }
  }

  /**
   * Rounds to bf16 at random, in place, as the kernels do: elements by their numbers from {@code
   * first} on, m by the low halves of their words and v by the high ones.
   */
  public static void roundAtRandom(double[] m, double[] v, long seed, long stream, long first) {
    int[] words = new int[4];
    for (int i = 0; i < m.length; i++) {
      Philox.block(seed, stream, (first + i) / 4, words);
      int word = words[(int) ((first + i) % 4)];
      m[i] = cut(m[i], word & 0xFFFF);
      v[i] = cut(v[i], word >>> 16);
    }
  }

  private static double cut(double value, int bits) {
    return Float.intBitsToFloat((Float.floatToRawIntBits((float) value) + bits) & 0xFFFF0000);
  }

  /** The decay alone, of a row that never had a gradient. */
  public static void decay(Precision p, double[] weight, int i, Step step) {
    weight[i] = p.f32(weight[i] - p.f32(p.f32(step.lr * step.weightDecay) * weight[i]));
  }
}
