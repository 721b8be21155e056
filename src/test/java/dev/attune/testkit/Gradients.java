package dev.attune.testkit;

import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** Central differences in double: the proof of a reference's backward. */
public final class Gradients {
  private static final double STEP = 1e-5;
  private static final double TOLERANCE = 1e-6;

  private Gradients() {}

  /**
   * Proves that {@code gradient} is the derivative of {@code loss} at {@code x}, relative to the
   * largest component.
   */
  public static void check(
      String name, double[] x, double[] gradient, ToDoubleFunction<double[]> loss) {
    double scale = 1e-3;
    for (double component : gradient) {
      scale = Math.max(scale, Math.abs(component));
    }
    double[] moved = x.clone();
    for (int i = 0; i < x.length; i++) {
      moved[i] = x[i] + STEP;
      double above = loss.applyAsDouble(moved);
      moved[i] = x[i] - STEP;
      double below = loss.applyAsDouble(moved);
      moved[i] = x[i];
      double numeric = (above - below) / (2 * STEP);
      if (!(Math.abs(numeric - gradient[i]) <= TOLERANCE * scale)) {
        throw new AssertionError(
            String.format(
                Locale.ROOT,
                "reference gradient of %s[%d] is %.10g, central differences give %.10g; %s",
                name,
                i,
                gradient[i],
                numeric,
                Seeds.replay()));
      }
    }
  }

  /** The scalar whose gradient with respect to {@code out} is {@code dout}. */
  public static double dot(double[] out, double[] dout) {
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      sum += out[i] * dout[i];
    }
    return sum;
  }

  /** Random values of unit scale. */
  public static double[] normal(String name, int count) {
    var random = Seeds.random(name);
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextGaussian();
    }
    return values;
  }
}
