package dev.attune.core;

import java.util.regex.Pattern;

/**
 * Numbers as people write them. Java's own parsers would also read {@code 1d}, {@code 0x1p-3},
 * {@code NaN} and the digits of any script, which are slips where a number is given.
 */
public final class DecimalText {
  // Possessive: a million digits before a letter would else be tried in a million ways.
  private static final Pattern NUMBER =
      Pattern.compile("[+-]?(\\d++\\.?+\\d*+|\\.\\d++)([eE][+-]?\\d++)?");
  private static final Pattern WHOLE = Pattern.compile("[+-]?\\d++");

  private DecimalText() {}

  /** A decimal number, infinite where it is too large; NaN for anything else. */
  public static double number(String text) {
    String bare = text.strip();
    return NUMBER.matcher(bare).matches() ? Double.parseDouble(bare) : Double.NaN;
  }

  /** The same, rounded once, to 32 bits. */
  public static float single(String text) {
    String bare = text.strip();
    return NUMBER.matcher(bare).matches() ? Float.parseFloat(bare) : Float.NaN;
  }

  /** Whether it is a whole number of any size. */
  public static boolean isWhole(String text) {
    return WHOLE.matcher(text.strip()).matches();
  }

  /** A whole number; null for anything else, and for one of more than 64 bits. */
  public static Long whole(String text) {
    try {
      return isWhole(text) ? Long.valueOf(text.strip()) : null;
    } catch (NumberFormatException e) {
      return null;
    }
  }
}
