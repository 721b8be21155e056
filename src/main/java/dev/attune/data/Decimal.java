package dev.attune.data;

import java.util.regex.Pattern;

/** Decimal numbers as texts. */
final class Decimal {
  // Possessive: a million digits before a letter would else be tried in a million ways.
  private static final Pattern FORM =
      Pattern.compile("[+-]?(\\d++\\.?+\\d*+|\\.\\d++)([eE][+-]?\\d++)?");

  private Decimal() {}

  /** The number, or null for anything that is not a finite decimal number. */
  static Float parse(String text) {
    if (text == null || !FORM.matcher(text.strip()).matches()) {
      return null;
    }
    float value = Float.parseFloat(text.strip());
    return Float.isInfinite(value) ? null : value;
  }
}
