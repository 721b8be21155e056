package dev.attune.testkit;

import dev.attune.kernels.Backend;
import dev.attune.kernels.torch.TorchBackend;
import java.util.Locale;

/**
 * How wrong a kernel may be: against the double reference at most {@value #FORWARD} times
 * (gradients: {@value #BACKWARD} times) as wrong as a plain program of the same precision, both as
 * the largest error of a tensor and, where there are enough elements for it to mean something, as
 * the root mean square. A floor covers the cases in which the plain program is right by luck.
 */
public final class ErrorBudget {
  private static final double FORWARD = 2;
  private static final double BACKWARD = 3;
  private static final double TORCH = 4;

  /** Elements from which the root mean square is looked at. */
  private static final int MANY = 256;

  private ErrorBudget() {}

  /**
   * How often the plain program's error is allowed. libtorch is the fallback and the oracle, and
   * puts an op together from kernels that each round: held to the same formulas, not to the same
   * craft.
   */
  static double factor(Backend backend, boolean backward) {
    double factor = backward ? BACKWARD : FORWARD;
    return backend instanceof TorchBackend ? TORCH * factor : factor;
  }

  /**
   * The floor for elements of magnitude up to 1, in proportion above: eight units in the last place
   * of f32 (arithmetic is in f32 even where the result is wider), one of bf16.
   */
  public static double floor(Storage storage) {
    return switch (storage) {
      case F32, F64 -> 8 * 0x1p-23;
      case BF16 -> 0x1p-8;
      case I32, U8 -> 0;
    };
  }

  /**
   * Throws {@link AssertionError} unless {@code actual} is within the budget.
   *
   * @param factor how often the plain program's error is allowed; see {@link #factor}
   * @param floor see {@link #floor}
   */
  static void check(
      String label, double[] actual, double[] exact, double[] plain, double factor, double floor) {
    if (actual.length != exact.length || exact.length != plain.length) {
      throw new IllegalStateException(
          label
              + " has "
              + actual.length
              + " elements, its reference "
              + exact.length
              + ", its plain program "
              + plain.length);
    }
    double magnitude = 1;
    double plainMax = 0;
    double plainSquares = 0;
    for (int i = 0; i < exact.length; i++) {
      if (Double.isFinite(exact[i])) {
        magnitude = Math.max(magnitude, Math.abs(exact[i]));
        double error = Math.abs(plain[i] - exact[i]);
        if (Double.isFinite(error)) {
          plainMax = Math.max(plainMax, error);
          plainSquares += error * error;
        }
      }
    }
    double absolute = floor * magnitude;
    double budget = factor * plainMax + absolute;
    double squares = 0;
    int worst = -1;
    double worstError = -1;
    for (int i = 0; i < exact.length; i++) {
      double error = error(actual[i], exact[i]);
      squares += error * error;
      if (error > worstError) {
        worstError = error;
        worst = i;
      }
    }
    if (worstError > budget) {
      throw new AssertionError(
          String.format(
              Locale.ROOT,
              "%s[%d] of %d is %s, the reference %s: error %.3g, budget %.3g (plain program %.3g,"
                  + " floor %.3g); %s",
              label,
              worst,
              exact.length,
              actual[worst],
              exact[worst],
              worstError,
              budget,
              plainMax,
              absolute,
              Seeds.replay()));
    }
    double rms = Math.sqrt(squares / exact.length);
    double rmsBudget = factor * Math.sqrt(plainSquares / exact.length) + absolute / 8;
    if (exact.length >= MANY && rms > rmsBudget) {
      throw new AssertionError(
          String.format(
              Locale.ROOT,
              "%s: the root mean square error of %d elements is %.3g, budget %.3g; %s",
              label,
              exact.length,
              rms,
              rmsBudget,
              Seeds.replay()));
    }
  }

  /** What is not finite must be the same: NaN for NaN, infinity for infinity. */
  private static double error(double actual, double exact) {
    if (Double.isNaN(exact) || Double.isInfinite(exact)) {
      return Double.compare(actual, exact) == 0 ? 0 : Double.POSITIVE_INFINITY;
    }
    return Double.isFinite(actual) ? Math.abs(actual - exact) : Double.POSITIVE_INFINITY;
  }
}
