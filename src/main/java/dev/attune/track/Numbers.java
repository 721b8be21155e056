package dev.attune.track;

import java.math.BigDecimal;
import java.math.MathContext;

/** Numbers as people write them. */
public final class Numbers {
  private static final double SMALL = 1e-3;
  private static final double LARGE = 1e9;

  private Numbers() {}

  /**
   * A number with so many significant digits at most, and no zeros that say nothing: "0.75",
   * "2e-5"; a dash where it is none.
   */
  public static String text(double value, int digits) {
    if (!Double.isFinite(value)) {
      return "-";
    }
    BigDecimal rounded = new BigDecimal(value).round(new MathContext(digits)).stripTrailingZeros();
    double size = Math.abs(value);
    if (value == 0 || size >= SMALL && size < LARGE) {
      return value == Math.rint(value) && size < LARGE
          ? Long.toString((long) value)
          : rounded.toPlainString();
    }
    int exponent = rounded.precision() - rounded.scale() - 1;
    return rounded.movePointLeft(exponent).stripTrailingZeros().toPlainString() + "e" + exponent;
  }
}
